//! The reader: finds messages in the lines, and goes on after what is not one.
//!
//! `serde_json` decides whether an object is right, and where it ends if it is. Only if it is wrong, or goes on after its
//! first line, are its brackets counted, outside of strings. Any closing bracket closes any opening one. A list is read
//! as an object is.

use std::{io, mem};

use crate::error::{Refusal, WHITE_SPACE};
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
    /// An object that goes on after the lines read so far.
    Unfinished(Unfinished),
}

/// An object of which the end has not been read.
struct Unfinished {
    /// All of it so far.
    json: String,
    brackets: Brackets,
    /// The number of the line on which it begins.
    began: u64,
    /// The indentation of that line.
    indent: usize,
    /// Whether that line has a mistake. Then the object is not held.
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
                // An unfinished object ends here, too. Skips to a bracket that is indented no more than either.
                let before = match before {
                    Held::Unfinished(unfinished) => Some(unfinished.indent),
                    _ => None,
                };
                let this = line.begins_with_bracket.then_some(line.indent);
                if let Some(indent) = before.into_iter().chain(this).min() {
                    self.held = Held::Skipping(indent);
                }
                return self.refuse(Refusal::unreadable(line.number, reason, ""));
            }
            (Held::Unfinished(unfinished), Ok(text)) => {
                if begins_within(unfinished.indent) && !unfinished.brackets.may_take_value() {
                    self.read_whole(&unfinished.json, unfinished.began)?;
                    text
                } else {
                    self.read_on(unfinished, text)?
                }
            }
            (_, Ok(text)) => text,
        };
        self.read_objects(line, rest)
    }

    /// Ends the input.
    pub fn end(mut self) -> io::Result<()> {
        if let Held::Unfinished(unfinished) = mem::take(&mut self.held) {
            self.read_whole(&unfinished.json, unfinished.began)?;
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
                    let unfinished = Unfinished {
                        json: String::new(),
                        brackets: Brackets::default(),
                        began: line.number,
                        indent: line.indent,
                        is_wrong: !error.is_eof(),
                    };
                    rest = self.read_on(unfinished, rest)?;
                }
            }
        }
        if rest.trim_start_matches(WHITE_SPACE).is_empty() {
            return Ok(());
        }
        let reason = "not a JSON object, which starts with {";
        self.refuse(Refusal::unreadable(line.number, reason, rest))
    }

    /// Adds a line to an object. Returns the rest of the line, if that is to be read.
    fn read_on<'a>(&mut self, mut unfinished: Unfinished, line: &'a str) -> io::Result<&'a str> {
        let length = unfinished.brackets.follow(line);
        let (part, rest) = line.split_at(length.unwrap_or(line.len()));
        unfinished.json.push_str(part);
        if length.is_some() {
            // For a wrong `\u`, `serde_json` wants four bytes, and takes fewer for an unfinished object.
            unfinished.json.push_str("   ");
            let is_right = self.read_whole(&unfinished.json, unfinished.began)?;
            // After a mistake, only another object is read.
            let goes_on = is_right || begins_with_bracket(rest);
            return Ok(if goes_on { rest } else { "" });
        }
        if unfinished.is_wrong || unfinished.brackets.in_string {
            self.held = Held::Skipping(unfinished.indent);
            self.read_whole(&unfinished.json, unfinished.began)?;
        } else if unfinished.json.len() > MAX_LENGTH {
            self.held = Held::Skipping(unfinished.indent);
            self.refuse(Refusal::unreadable(unfinished.began, TOO_LONG, ""))?;
        } else {
            self.held = Held::Unfinished(unfinished);
        }
        Ok("")
    }

    /// Reads an object that has ended. Returns whether its JSON is right.
    fn read_whole(&mut self, json: &str, began: u64) -> io::Result<bool> {
        match object::read(json, began) {
            Ok((message, _)) => message.map_or(Ok(()), &mut self.answer).and(Ok(true)),
            Err(error) => {
                let refused = self.refuse(Refusal::not_json(json, began, &error));
                refused.and(Ok(false))
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        (self.answer)(Message::refused(None, None, refusal))
    }
}

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
    /// Follows the object through its next part. Returns the length up to the bracket that closes it, if one does.
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
