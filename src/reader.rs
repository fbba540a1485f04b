//! The reader: finds messages in the lines, and goes on after what cannot be read.
//!
//! `serde_json` decides whether an object is right, and where it ends if it is. If the object is wrong, or goes on after
//! its first line, its brackets say where it ends and which lines are skipped. A list is read as an object is.

use std::{io, mem};

use serde::de::IgnoredAny;

use crate::brackets::{Brackets, begins_with_bracket, is_left_open, is_white_space};
use crate::error::{Refusal, WHITE_SPACE};
use crate::lines::{Line, MAX_LENGTH, TOO_LONG};
use crate::message::{self, Message};

const LIST: &str =
    "not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them)";
const TEXT: &str = "not a JSON object, which starts with {";

/// Reads lines. Passes each message in them to `answer`, and a refused message for what cannot be read.
pub struct Reader<F> {
    held: Held,
    answer: F,
}

/// What is held between lines.
#[derive(Default)]
enum Held {
    /// Nothing. The next line begins a message.
    #[default]
    Nothing,
    /// Lines are skipped until one begins with a bracket and is indented by no more than this.
    Skipping(usize),
    /// An object that goes on after the lines read so far.
    Unfinished(Unfinished),
}

/// An object of which the end has not been read.
struct Unfinished {
    /// All of it so far.
    json: String,
    brackets: Brackets,
    began: Place,
}

/// Where something begins: the number of the line, and its indentation.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    indent: usize,
}

impl<F: FnMut(Message) -> io::Result<()>> Reader<F> {
    pub fn new(answer: F) -> Self {
        let held = Held::Nothing;
        Self { held, answer }
    }

    /// Reads the next line.
    pub fn read(&mut self, line: &Line) -> io::Result<()> {
        let white_space = line.bytes.iter().take_while(|byte| is_white_space(**byte));
        let (number, indent) = (line.number, white_space.count());
        let place = Place { number, indent };
        let start = &line.bytes[indent..];
        let begins_anew = |most| begins_with_bracket(start) && indent <= most;
        match mem::take(&mut self.held) {
            Held::Nothing => {}
            Held::Skipping(most) if begins_anew(most) => {}
            Held::Skipping(most) => {
                self.held = Held::Skipping(most);
                return Ok(());
            }
            Held::Unfinished(object)
                if begins_anew(object.began.indent) && !object.brackets.may_take_value() =>
            {
                self.cut_off(&object)?;
            }
            Held::Unfinished(object) => return self.read_on(object, line, place),
        }
        match line.text {
            Ok(text) => self.read_objects(text, place),
            Err(reason) => {
                let refusal = Refusal::unreadable(number, reason, "");
                self.refuse(refusal, place, is_left_open(start))
            }
        }
    }

    /// Ends the input.
    pub fn end(mut self) -> io::Result<()> {
        match mem::take(&mut self.held) {
            Held::Unfinished(object) => self.cut_off(&object),
            Held::Skipping(_) | Held::Nothing => Ok(()),
        }
    }

    /// Reads what begins on a line: objects, until something cannot be read.
    fn read_objects(&mut self, mut text: &str, place: Place) -> io::Result<()> {
        loop {
            let start = text.trim_start_matches(WHITE_SPACE).as_bytes();
            if start.is_empty() {
                return Ok(());
            }
            if !begins_with_bracket(start) {
                let refusal = Refusal::unreadable(place.number, TEXT, text);
                return self.refuse(refusal, place, is_left_open(start));
            }
            text = self.read_object(text, place, None)?;
        }
    }

    /// Adds a line to an object.
    fn read_on(&mut self, mut object: Unfinished, line: &Line, place: Place) -> io::Result<()> {
        let began = object.began;
        object.brackets.follow(line.bytes);
        let refusal = match line.text {
            Err(reason) => Refusal::unreadable(line.number, reason, ""),
            Ok(text) => {
                object.json.push_str(text);
                if !object.brackets.goes_on() {
                    let rest = self.read_object(&object.json, began, Some(object.brackets))?;
                    return self.read_objects(rest, place);
                }
                if object.json.len() <= MAX_LENGTH {
                    self.held = Held::Unfinished(object);
                    return Ok(());
                }
                Refusal::unreadable(began.number, TOO_LONG, "")
            }
        };
        self.refuse(refusal, began, object.brackets.are_open())
    }

    /// Reads the object or list at the beginning of `json`, which ends with a line. Returns the rest of that line, if it
    /// is to be read.
    fn read_object<'a>(
        &mut self,
        json: &'a str,
        began: Place,
        brackets: Option<Brackets>,
    ) -> io::Result<&'a str> {
        // `serde` takes a list of values for an object.
        let error = if json.trim_start_matches(WHITE_SPACE).starts_with('[') {
            message::first::<IgnoredAny>(json).err()
        } else {
            match message::read(json) {
                Ok((message, length)) => {
                    message.map_or(Ok(()), &mut self.answer)?;
                    return Ok(&json[length..]);
                }
                Err(error) => Some(error),
            }
        };
        let brackets = brackets.unwrap_or_else(|| Brackets::of(json.as_bytes()));
        let refusal = match error {
            None => Refusal::unreadable(began.number, LIST, json),
            Some(error) if is_right_so_far(&error) && brackets.goes_on() => {
                let json = json.to_owned();
                self.held = Held::Unfinished(Unfinished {
                    json,
                    brackets,
                    began,
                });
                return Ok("");
            }
            Some(error) if error.is_eof() && !brackets.in_string => {
                Refusal::unreadable(began.number, "invalid escape", json)
            }
            Some(error) => Refusal::not_json(json, began.number, &error),
        };
        self.refuse(refusal, began, brackets.are_open())?;
        Ok("")
    }

    /// Refuses an object that ends without its last bracket.
    fn cut_off(&mut self, object: &Unfinished) -> io::Result<()> {
        let json = &object.json;
        let error = serde_json::from_str::<IgnoredAny>(json).expect_err("a bracket is open");
        let refusal = Refusal::not_json(json, object.began.number, &error);
        (self.answer)(Message::refused(refusal))
    }

    /// Refuses what cannot be read. If something in it is open at the end of its last line, lines are skipped.
    fn refuse(&mut self, refusal: Refusal, began: Place, is_open: bool) -> io::Result<()> {
        if is_open {
            self.held = Held::Skipping(began.indent);
        }
        (self.answer)(Message::refused(refusal))
    }
}

/// Whether JSON is right so far. For a `\u` that is cut short, `serde_json` 1 has the words of an open string.
fn is_right_so_far(error: &serde_json::Error) -> bool {
    error.is_eof() && !error.to_string().starts_with("EOF while parsing a string")
}
