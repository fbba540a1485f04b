//! The reader: finds messages in the lines, and goes on after what is not one.
//!
//! `serde_json` decides whether an object is right, and where it ends if it is. Only if it is wrong, or goes on after its
//! first line, are its brackets counted: outside of strings, where any closing bracket closes any opening one. A list is
//! read as an object is.

use std::{io, mem};

use crate::error::Refusal;
use crate::lines::{Line, MAX_LENGTH, TOO_LONG};
use crate::message::Message;
use crate::object;

/// Reads lines. Passes the messages in them to `answer`, and what cannot be read, as messages to be refused.
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
    /// An object that goes on.
    Object(Unfinished),
}

/// An object that its last line has not finished.
struct Unfinished {
    /// All of it so far.
    json: String,
    brackets: Brackets,
    /// The number of the line on which it begins.
    began: u64,
    /// The indentation of that line.
    indent: usize,
    /// Whether there is a mistake on that line.
    is_wrong: bool,
}

impl<F: FnMut(Message) -> io::Result<()>> Reader<F> {
    pub fn new(answer: F) -> Self {
        let held = Held::Nothing;
        Self { held, answer }
    }

    /// Reads the next line.
    pub fn read(&mut self, line: &Line) -> io::Result<()> {
        let begins_within = |indent| line.begins_with_bracket && line.indent <= indent;
        let rest = match (mem::take(&mut self.held), line.text) {
            (Held::Skipping(indent), _) if !begins_within(indent) => {
                self.held = Held::Skipping(indent);
                return Ok(());
            }
            (before, Err(reason)) => {
                // An unfinished object ends with this line. The lines left of both are skipped.
                let before = match before {
                    Held::Object(object) => Some(object.indent),
                    _ => None,
                };
                let this = line.begins_with_bracket.then_some(line.indent);
                if let Some(indent) = before.into_iter().chain(this).min() {
                    self.held = Held::Skipping(indent);
                }
                return self.refuse(Refusal::unreadable(line.number, reason, ""));
            }
            (Held::Object(object), Ok(text)) => {
                if begins_within(object.indent) && !object.brackets.may_take_value() {
                    self.read_whole(&object.json, object.began)?;
                    text
                } else {
                    self.read_on(object, text)?
                }
            }
            (_, Ok(text)) => text,
        };
        self.read_objects(line, rest)
    }

    /// Ends the input.
    pub fn end(mut self) -> io::Result<()> {
        if let Held::Object(object) = mem::take(&mut self.held) {
            self.read_whole(&object.json, object.began)?;
        }
        Ok(())
    }

    /// Reads the objects that begin on a line.
    fn read_objects(&mut self, line: &Line, mut rest: &str) -> io::Result<()> {
        while begins_with_bracket(rest) {
            match object::read(rest, line.number) {
                Ok((message, length)) => {
                    message.map_or(Ok(()), &mut self.answer)?;
                    rest = &rest[length..];
                }
                Err(error) => {
                    let object = Unfinished {
                        json: String::new(),
                        brackets: Brackets::default(),
                        began: line.number,
                        indent: line.indent,
                        is_wrong: !error.is_eof(),
                    };
                    rest = self.read_on(object, rest)?;
                }
            }
        }
        if rest.trim_start_matches(WHITE_SPACE).is_empty() {
            return Ok(());
        }
        let reason = "not a JSON object, which starts with {";
        self.refuse(Refusal::unreadable(line.number, reason, rest))
    }

    /// Reads the next line of an object. Returns what is to be read of the line after it.
    fn read_on<'a>(&mut self, mut object: Unfinished, line: &'a str) -> io::Result<&'a str> {
        let length = object.brackets.follow(line);
        let (part, rest) = line.split_at(length.unwrap_or(line.len()));
        object.json.push_str(part);
        if length.is_some() {
            let is_right = self.read_whole(&object.json, object.began)?;
            // After a mistake, only another object is read.
            let goes_on = is_right || begins_with_bracket(rest);
            return Ok(if goes_on { rest } else { "" });
        }
        if object.is_wrong || object.brackets.in_string {
            self.held = Held::Skipping(object.indent);
            self.read_whole(&object.json, object.began)?;
        } else if object.json.len() > MAX_LENGTH {
            self.held = Held::Skipping(object.indent);
            self.refuse(Refusal::unreadable(object.began, TOO_LONG, ""))?;
        } else {
            self.held = Held::Object(object);
        }
        Ok("")
    }

    /// Reads an object that has ended. Returns whether its JSON is right.
    fn read_whole(&mut self, json: &str, began: u64) -> io::Result<bool> {
        match object::read(json, began) {
            Ok((message, _)) => message.map_or(Ok(()), &mut self.answer).and(Ok(true)),
            Err(error) => {
                let refused = self.refuse(Refusal::mistaken(json, began, &error));
                refused.and(Ok(false))
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        (self.answer)(Message::refused(None, None, refusal))
    }
}

/// White space, as JSON has it.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn begins_with_bracket(text: &str) -> bool {
    text.trim_start_matches(WHITE_SPACE).starts_with(['{', '['])
}

/// The open brackets of an object.
#[derive(Default)]
struct Brackets {
    open: Vec<u8>,
    in_string: bool,
    after_backslash: bool,
    /// The last byte outside of strings, white space aside.
    last: u8,
}

impl Brackets {
    /// Follows the object through its next part. Returns the length after which the last bracket closes.
    fn follow(&mut self, part: &str) -> Option<usize> {
        for (index, byte) in part.bytes().enumerate() {
            if self.in_string {
                self.in_string = self.after_backslash || byte != b'"';
                self.after_backslash = !self.after_backslash && byte == b'\\';
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'"' => self.in_string = true,
                b'{' | b'[' => self.open.push(byte),
                b'}' | b']' => {
                    self.open.pop();
                    if self.open.is_empty() {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
            self.last = byte;
        }
        None
    }

    /// Whether a value may come next.
    fn may_take_value(&self) -> bool {
        match self.last {
            b':' | b'[' => true,
            b',' => self.open.last() == Some(&b'['),
            _ => false,
        }
    }
}
