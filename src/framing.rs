//! Cuts the byte stream into message texts, and finds in what is unreadable the place where reading can go on.
//!
//! It knows what JSON is, through `serde_json`, but nothing of what a message says. Mostly a line is a message, and
//! [`Frames::line`] hands it out unread. Where the line turns out to be none, [`Frames::next_piece`] looks closer:
//! it reads on, over as many lines as that takes, until each text has become an object or can no longer become one.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::excerpt;

/// How long a message may be, in bytes from its first to its last, line breaks included.
pub const MAX_MESSAGE: usize = 16 << 20;

/// How much of a line is held at once: the longest message, and a line end.
const MAX_LINE: usize = MAX_MESSAGE + 2;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A stream of bytes, line by line and message by message.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    /// Whether a line is a message that cannot be part of an unfinished one.
    is_whole: fn(&str) -> bool,
    /// What has been read and is still needed: the lines of an unfinished message, and the line last read.
    buffer: Vec<u8>,
    /// Where in `buffer` the text begins that has not been handed out.
    start: usize,
    /// Where in `buffer` the line last read begins, if its beginning is still there.
    line_start: Option<usize>,
    /// The number of the line last read, from 1.
    line_number: u64,
    /// Whether the line last read is in `buffer` up to its end.
    line_ended: bool,
    /// Whether the rest of the line last read is to be skipped.
    skipping: bool,
    /// Whether the input has ended. It is not asked again then, because a terminal would answer.
    input_ended: bool,
}

/// What a closer look finds.
#[derive(Debug)]
pub enum Piece<'a> {
    /// One JSON object.
    Object {
        /// The number of the line on which it begins.
        line: u64,
        /// The object.
        text: &'a str,
    },
    /// Text that could not become an object.
    Unreadable {
        /// The number of the line on which it begins.
        line: u64,
        /// What was dropped, or the beginning of it.
        text: &'a [u8],
        /// What is wrong with it.
        why: Unreadable,
    },
}

/// Why a text could not become an object.
#[derive(Debug)]
pub enum Unreadable {
    /// It does not begin with `{`.
    NotAnObject,
    /// It is not JSON.
    Syntax {
        /// What JSON demands.
        error: serde_json::Error,
        /// The number of the line on which the offending byte stands.
        line: u64,
        /// Its place in that line, in characters from 1, where that is known.
        column: Option<usize>,
        /// What stands there, up to the end of the line.
        found: String,
    },
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than [`MAX_MESSAGE`].
    TooLong,
    /// A whole message began before this one was finished.
    CutOff {
        /// The number of the line with the whole message.
        line: u64,
    },
    /// The input ended before it was finished.
    InputEnded,
}

impl<R: BufRead> Frames<R> {
    /// The messages of `input`. `is_whole` tells of a line whether it is by itself a message of the kind that stands
    /// inside no other: seen while a message is unfinished, it shows that the message was cut off.
    pub fn new(input: R, is_whole: fn(&str) -> bool) -> Self {
        Self {
            input,
            is_whole,
            buffer: Vec::new(),
            start: 0,
            line_start: None,
            line_number: 0,
            line_ended: true,
            skipping: false,
            input_ended: false,
        }
    }

    /// Reads the next line, and drops the one before. `false` at the end of the input.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn next_line(&mut self) -> io::Result<bool> {
        self.drop_text();
        let any = self.read_on()?;
        if self.line_number == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        }
        Ok(any)
    }

    /// The line last read, where it may be a message by itself.
    pub fn line(&self) -> Option<&str> {
        if !self.line_ended || self.buffer.len() > MAX_MESSAGE {
            return None;
        }
        str::from_utf8(self.buffer.get(self.start..)?).ok()
    }

    /// The next piece of the line last read, and of further lines where a message goes on there. `None` once the line
    /// last read is used up.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        if !self.skip_white_space()? {
            return Ok(None);
        }
        let line = self.line_number;
        let (end, unreadable) = match self.read_object()? {
            Ok(end) => (end, None),
            Err(why) => (self.resume_after(line, &why), Some(why)),
        };
        let text = self.buffer.get(self.start..end).unwrap_or_default();
        self.start = end;
        Ok(Some(match unreadable {
            None => Piece::Object {
                line,
                // An object has been checked when its lines were read.
                text: str::from_utf8(text).unwrap_or_default(),
            },
            Some(why) => Piece::Unreadable { line, text, why },
        }))
    }

    /// Goes to the next text of the line last read. `false` where nothing but white space is left of it.
    fn skip_white_space(&mut self) -> io::Result<bool> {
        loop {
            if self.skipping {
                self.skipping = false;
                self.drop_text();
                self.input.skip_until(b'\n')?;
                self.line_ended = true;
            }
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            if let Some(white) = rest.iter().position(|byte| !b" \t\r\n".contains(byte)) {
                self.start += white;
                return Ok(true);
            }
            if self.line_ended {
                return Ok(false);
            }
            self.drop_text();
            self.read_on()?;
        }
    }

    /// Reads one object, from `start` over as many lines as it has. Returns where in `buffer` it ends.
    fn read_object(&mut self) -> io::Result<Result<usize, Unreadable>> {
        if self.buffer.get(self.start) != Some(&b'{') {
            return Ok(Err(Unreadable::NotAnObject));
        }
        let mut text = UnfinishedText {
            frames: self,
            taken: 0,
            unreadable: None,
        };
        let mut json = serde_json::Deserializer::from_reader(&mut text);
        let value = IgnoredAny::deserialize(&mut json);
        let (taken, unreadable) = (text.taken, text.unreadable);
        let end = self.start + taken;
        Ok(match (value, unreadable) {
            (_, Some(unreadable)) => Err(unreadable),
            (Ok(_), None) if self.line_is_utf8(end) => Ok(end),
            (Ok(_), None) => Err(Unreadable::NotUtf8),
            (Err(error), None) if error.is_io() => return Err(error.into()),
            (Err(error), None) => Err(Unreadable::Syntax {
                error,
                line: self.line_number,
                column: self.line_start.map(|line_start| {
                    let line = self.buffer.get(line_start..end).unwrap_or_default();
                    String::from_utf8_lossy(line).chars().count()
                }),
                found: excerpt(self.buffer.get(end - 1..).unwrap_or_default()),
            }),
        })
    }

    /// Where in `buffer` reading goes on after an unreadable text that began on line `began`.
    fn resume_after(&mut self, began: u64, why: &Unreadable) -> usize {
        let ends_text = !matches!(why, Unreadable::TooLong | Unreadable::InputEnded);
        match self.line_start {
            // The line that shows the text to be unreadable may be sound when read by itself.
            Some(line_start) if began < self.line_number && ends_text => line_start,
            _ => {
                self.skipping = !self.line_ended;
                self.buffer.len()
            }
        }
    }

    /// Reads on in an unfinished text that has been read up to the end of `buffer`.
    fn continue_text(&mut self) -> io::Result<Option<Unreadable>> {
        let new_line = self.line_ended;
        if new_line && !self.line_is_utf8(self.buffer.len()) {
            return Ok(Some(Unreadable::NotUtf8));
        }
        self.buffer.drain(..self.start);
        self.line_start = self
            .line_start
            .and_then(|line| line.checked_sub(self.start));
        self.start = 0;
        self.read_on()?;
        Ok(
            (new_line && self.line_is_whole()).then_some(Unreadable::CutOff {
                line: self.line_number,
            }),
        )
    }

    /// Whether what belongs to the current text of the line last read, up to `end`, is UTF-8.
    fn line_is_utf8(&self, end: usize) -> bool {
        let begin = self.line_start.unwrap_or(0).max(self.start);
        str::from_utf8(self.buffer.get(begin..end).unwrap_or_default()).is_ok()
    }

    /// Whether the line last read is by itself a whole message.
    fn line_is_whole(&self) -> bool {
        let line = self
            .buffer
            .get(self.line_start.unwrap_or(0)..)
            .unwrap_or_default();
        self.line_ended
            && line.trim_ascii().len() <= MAX_MESSAGE
            && str::from_utf8(line).is_ok_and(self.is_whole)
    }

    /// Appends the next line to `buffer`, or as much more of the current one as is held at once. `false` at the end of
    /// the input.
    fn read_on(&mut self) -> io::Result<bool> {
        if self.input_ended {
            return Ok(false);
        }
        if self.line_ended {
            self.line_number += 1;
            self.line_start = Some(self.buffer.len());
        }
        let mut input = (&mut self.input).take(MAX_LINE as u64);
        let read = input.read_until(b'\n', &mut self.buffer)?;
        let line_break = read > 0 && self.buffer.ends_with(b"\n");
        self.input_ended = read < MAX_LINE && !line_break;
        self.line_ended = line_break || self.input_ended;
        Ok(read > 0)
    }

    fn drop_text(&mut self) {
        self.buffer.clear();
        self.start = 0;
        self.line_start = None;
    }
}

/// A text as its reader sees it: it goes on from line to line, and breaks off where it can no longer be part of a
/// message. It hands out byte by byte, so that nothing is taken that the reader has not looked at.
struct UnfinishedText<'a, R> {
    frames: &'a mut Frames<R>,
    /// How many of its bytes have been read.
    taken: usize,
    /// Why it broke off.
    unreadable: Option<Unreadable>,
}

impl<R: BufRead> Read for UnfinishedText<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == MAX_MESSAGE {
            self.unreadable = Some(Unreadable::TooLong);
        } else if self.frames.buffer.len() == self.frames.start + self.taken {
            self.unreadable = self.frames.continue_text()?;
        }
        if self.unreadable.is_some() {
            return Err(io::Error::other("the text is unreadable"));
        }
        let next = self.frames.buffer.get(self.frames.start + self.taken);
        let (Some(into), Some(next)) = (into.first_mut(), next) else {
            self.unreadable = Some(Unreadable::InputEnded);
            return Ok(0);
        };
        *into = *next;
        self.taken += 1;
        Ok(1)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("a message is a JSON object, which begins with {"),
            Self::Syntax {
                error,
                line,
                column,
                found,
            } => {
                let error = error.to_string();
                // Where that is, serde_json counts from the beginning of the text.
                let reason = error.rsplit_once(" at line ");
                let reason = reason.map_or(error.as_str(), |(reason, _)| reason);
                f.write_str(in_other_words(reason))?;
                write!(f, " at line {line}")?;
                if let Some(column) = column {
                    write!(f, ", column {column}")?;
                }
                if found.is_empty() {
                    f.write_str(", where the line ends")
                } else {
                    write!(f, ", before `{found}`")
                }
            }
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::TooLong => f.write_str("it is longer than 16 MiB, the most for a message"),
            Self::CutOff { line } => write!(
                f,
                "its closing }} is missing where a whole message follows on line {line}"
            ),
            Self::InputEnded => f.write_str("its closing } is missing where the input ends"),
        }
    }
}

/// What JSON demands, for a person who has perhaps never read its grammar. (Where `serde_json` finds other words one
/// day, they are passed on.)
fn in_other_words(reason: &str) -> &str {
    match reason {
        "expected value" => {
            "expected a value (text in double quotes, a number, true, false, null, [ or {)"
        }
        "expected ident" => "expected true, false or null",
        "key must be a string" => {
            "expected a key in double quotes (and no comma after the last entry)"
        }
        "invalid number" => {
            "expected a number without a leading zero, and with a digit after . or e"
        }
        "invalid escape" => {
            "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u and four digits after \\u"
        }
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            "expected the closing \" of a text (a tab in it is written \\t)"
        }
        reason => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pieces of an input, each with the number of its line, and what is wrong with it if anything is. A line is a
    /// whole message where it begins with `{"!"`.
    fn pieces(input: impl AsRef<[u8]>) -> Vec<String> {
        let mut frames = Frames::new(input.as_ref(), |line| line.trim().starts_with("{\"!\""));
        let mut pieces = Vec::new();
        while frames.next_line().unwrap() {
            while let Some(piece) = frames.next_piece().unwrap() {
                pieces.push(match piece {
                    Piece::Object { line, text } => format!("{line} {text}"),
                    Piece::Unreadable { line, text, why } => {
                        let why = format!("{why:?}");
                        let why = why.split([' ', '{']).next().unwrap();
                        format!("{line} {why} {}", String::from_utf8_lossy(text))
                    }
                });
            }
        }
        pieces
    }

    #[test]
    fn a_line_is_handed_out_unread() {
        let mut frames = Frames::new(&b"\xef\xbb\xbf{}\r\nnonsense\n\xff\n"[..], |_| false);
        let mut lines = Vec::new();
        while frames.next_line().unwrap() {
            lines.push(frames.line().map(str::to_owned));
        }
        assert_eq!(
            lines,
            [
                Some("{}\r\n".to_owned()),
                Some("nonsense\n".to_owned()),
                None
            ]
        );
    }

    #[test]
    fn objects_are_found_wherever_they_begin_and_end() {
        assert_eq!(
            pieces("{} {\"a\":1}\n\n{\n\"a\":\n{}} {}{\n}"),
            ["1 {}", "1 {\"a\":1}", "3 {\n\"a\":\n{}}", "5 {}", "5 {\n}"]
        );
    }

    #[test]
    fn what_can_be_no_object_is_dropped_with_the_rest_of_its_line() {
        assert_eq!(
            pieces("x {}\n{} x {}\n{x}{}\n{}"),
            [
                "1 NotAnObject x {}\n",
                "2 {}",
                "2 NotAnObject x {}\n",
                "3 Syntax {x}{}\n",
                "4 {}"
            ]
        );
    }

    #[test]
    fn the_line_that_spoils_an_object_is_read_afresh() {
        assert_eq!(
            pieces("{\n\"a\"\n{} {\n}\n"),
            ["1 Syntax {\n\"a\"\n", "3 {}", "3 {\n}"]
        );
        assert_eq!(
            pieces(b"{\n\"\xff\":\n1}\n"),
            [
                "1 NotUtf8 {\n",
                "2 NotAnObject \"\u{fffd}\":\n",
                "3 NotAnObject 1}\n"
            ]
        );
    }

    #[test]
    fn a_whole_message_ends_an_unfinished_one() {
        assert_eq!(
            pieces("{\"a\":\n {\"!\": 1} \n}"),
            ["1 CutOff {\"a\":\n", "2 {\"!\": 1}", "3 NotAnObject }"]
        );
        assert_eq!(
            pieces("{\"a\":\n{\"b\": 1}\n}"),
            ["1 {\"a\":\n{\"b\": 1}\n}"]
        );
    }

    #[test]
    fn an_unfinished_object_ends_with_the_input() {
        assert_eq!(pieces("{\n\n{"), ["1 Syntax {\n\n", "3 InputEnded {"]);
        for end in [
            "{",
            "{\n\"a\"",
            "{\"a\":\n1.",
            "{\"a\":\n-",
            "{\n\"a\": tru",
        ] {
            assert_eq!(pieces(end), [format!("1 InputEnded {end}")]);
        }
    }
}
