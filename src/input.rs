//! The input: finds the messages in it, and goes on after what is not one.
//!
//! `serde_json` says where an object ends and whether it is right. Only if it runs out of input are further lines added,
//! until the brackets close.

use std::io::{BufRead, BufReader, Read};
use std::{mem, str};

use anyhow::Context;

use crate::message::{Message, is_envelope};
use crate::warning;

/// The most bytes of a message and of a line: 16 MiB and, to within two bytes, a line break.
const MAX_LENGTH: usize = (16 << 20) + 2;

const TOO_LONG: &str = "longer than 16 MiB";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The messages of an input, line by line.
#[derive(Default)]
pub struct Messages {
    /// The line last read.
    line: Vec<u8>,
    /// Its number, from 1.
    line_number: u64,
    /// Why that line cannot be read.
    unreadable: Option<&'static str>,
    /// Whether only the beginning of that line has been read, because it is too long.
    is_cut: bool,
    /// Whether that line was the last one.
    pub is_at_end: bool,
    /// The lines of an unfinished message, and the line last read if it can be read.
    pending: String,
    /// The index in `pending` of the first byte that has not been used.
    start: usize,
    /// The index in `pending` of the line last read.
    line_start: usize,
    /// The number of the line on which the message begins.
    began: u64,
    /// The brackets of an unfinished message.
    unfinished: Option<Brackets>,
    /// Whether lines are skipped until one begins with `{`.
    skipping: bool,
}

impl Messages {
    /// Reads the next line. Calls `before_waiting` if its end has not arrived yet.
    pub fn read_line<R: Read>(
        &mut self,
        input: &mut BufReader<R>,
        before_waiting: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        const FAILED: &str = "cannot read the input";
        if self.is_cut {
            input.skip_until(b'\n').context(FAILED)?;
        }
        self.line.clear();
        // First what the buffer holds. That cannot wait.
        let arrived = input.buffer().len() as u64;
        let read = input.take(arrived).read_until(b'\n', &mut self.line);
        read.context(FAILED)?;
        if !self.line.ends_with(b"\n") {
            before_waiting()?;
            let rest = (MAX_LENGTH + 1 - self.line.len()) as u64;
            let read = input.take(rest).read_until(b'\n', &mut self.line);
            read.context(FAILED)?;
        }
        self.line_number += 1;
        let is_too_long = self.line.len() > MAX_LENGTH;
        let is_whole = self.line.ends_with(b"\n");
        self.is_cut = is_too_long && !is_whole;
        self.is_at_end = !is_too_long && !is_whole;

        self.pending.drain(..self.start);
        self.start = 0;
        self.line_start = self.pending.len();
        let line = self.line.as_slice();
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        self.unreadable = match str::from_utf8(line) {
            _ if is_too_long => Some(TOO_LONG),
            Err(_) => Some("not UTF-8"),
            Ok(line) => {
                self.pending.push_str(line);
                None
            }
        };
        Ok(())
    }

    /// Finds the next message that ends on the line last read, or a warning about what is not one.
    pub fn next(&mut self) -> Option<Result<Message<'_>, String>> {
        if let Some(reason) = self.unreadable.take() {
            self.start = self.pending.len();
            self.unfinished = None;
            let is_skipped = mem::replace(&mut self.skipping, true);
            return (!is_skipped).then(|| Err(warning::of_input(self.line_number, reason, "")));
        }
        let is_first_line = self.unfinished.is_none();
        if is_first_line {
            let rest = self.pending[self.start..].trim_start_matches([' ', '\t', '\r', '\n']);
            if !rest.starts_with('{') {
                self.start = self.pending.len();
                let is_skipped = rest.is_empty() || mem::replace(&mut self.skipping, true);
                return (!is_skipped).then(|| Err(warning::of_no_object(self.line_number, rest)));
            }
            self.skipping = false;
            self.began = self.line_number;
        }
        let end = self.end_of_message();
        if end.unwrap_or(self.pending.len()) - self.start > MAX_LENGTH {
            self.unreadable = Some(TOO_LONG);
            return self.next();
        }
        let end = end?;
        let json = &self.pending[self.start..end];
        let error = match Message::read(json) {
            Ok((message, length)) => {
                self.start += length;
                self.unfinished = None;
                let object = &json[..length];
                return Some(message.map_err(|why| warning::of_input(self.began, &why, object)));
            }
            Err(error) => error,
        };
        if is_first_line && error.is_eof() {
            // The end of the line may come too early for a `\u` only, or be in a string. Then it is a mistake.
            let mut brackets = Brackets::default();
            let is_closed = brackets.follow(json).is_some();
            if !is_closed && !brackets.in_string && !self.is_at_end {
                self.unfinished = Some(brackets);
                return None;
            }
        }
        self.start = end;
        self.unfinished = None;
        self.skipping = true;
        Some(Err(warning::of_json(self.began, json, &error)))
    }

    /// The index in `pending` at which the message ends at the latest. `None` if it goes on after the line last read.
    fn end_of_message(&mut self) -> Option<usize> {
        let Some(brackets) = &mut self.unfinished else {
            return Some(self.pending.len());
        };
        let line = &self.pending[self.line_start..];
        // Such a line is a new message, so that an unfinished one takes no other with it.
        if line.starts_with('{') && (!brackets.is_value_due() || is_envelope(line)) {
            return Some(self.line_start);
        }
        if let Some(length) = brackets.follow(line) {
            return Some(self.line_start + length);
        }
        (brackets.in_string || self.is_at_end).then_some(self.pending.len())
    }
}

/// The open brackets of an unfinished message.
#[derive(Default)]
struct Brackets {
    open: Vec<u8>,
    in_string: bool,
    after_backslash: bool,
    /// The last byte outside of strings, white space aside.
    last: u8,
}

impl Brackets {
    /// Follows the message through its next part. Returns the length after which the last bracket closes.
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

    /// Whether the next thing must be a value.
    fn is_value_due(&self) -> bool {
        match self.last {
            b':' | b'[' => true,
            b',' => self.open.last() == Some(&b'['),
            _ => false,
        }
    }
}
