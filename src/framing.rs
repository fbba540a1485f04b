//! Framing: splits the input into JSON objects, and resynchronizes after input that is not one.
//!
//! It knows what JSON is, through `serde_json`, but not what a message is. Usually a line is a message, and
//! [`Frames::line`] returns it unread. If it turns out not to be one, [`Frames::next_piece`] looks closer: it feeds
//! `serde_json` byte by byte, over as many lines as an object has, and so finds where it ends or goes wrong.

use std::io::{self, BufRead, Read};
use std::{mem, str};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::warning::{Problem, Warning, without_line_break};

/// How long a line may be, in bytes without its line break, and a message, from its first byte to its last.
const MAX_LENGTH: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How much of a line is read: enough to find it too long.
const MAX_READ: usize = BYTE_ORDER_MARK.len() + MAX_LENGTH + b"\r\n".len();

/// The input, line by line and object by object.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    /// Whether a line is by itself a whole envelope. If a message is unfinished then, it was cut off.
    is_envelope: fn(&str) -> bool,
    /// The lines of an unfinished message, and the line last read.
    buffer: Vec<u8>,
    /// The index in `buffer` of the first byte that has not been used.
    start: usize,
    /// The index in `buffer` of the line last read.
    line_start: usize,
    /// The number of the line last read, from 1.
    line_number: u64,
    /// Where reading has stopped.
    stop: Stop,
    /// Whether the line last read is too long, and has no warning yet.
    too_long: bool,
    /// The index in `buffer` of a mistake on the line last read that has a warning already.
    reported: Option<usize>,
    /// Whether lines are skipped until one begins with `{`.
    skipping: bool,
}

/// Where reading has stopped.
#[derive(Debug, Clone, Copy)]
enum Stop {
    LineEnd,
    /// In a line that is too long. The rest of it is skipped.
    MidLine,
    /// The input is not read again, because a terminal would go on.
    InputEnd,
}

/// What a closer look finds.
#[derive(Debug)]
pub enum Piece<'a> {
    /// One JSON object.
    Object {
        /// The number of the line on which it begins.
        line: u64,
        json: &'a str,
    },
    /// Input that is not an object, and has been dropped.
    Unreadable(Warning<'a>),
}

/// Why an object cannot be read, and the index in `buffer` of the mistake, if it has a place.
type Mistake = (Problem, Option<usize>);

impl<R: BufRead> Frames<R> {
    pub fn new(input: R, is_envelope: fn(&str) -> bool) -> Self {
        Self {
            input,
            is_envelope,
            buffer: Vec::new(),
            start: 0,
            line_start: 0,
            line_number: 0,
            stop: Stop::LineEnd,
            too_long: false,
            reported: None,
            skipping: false,
        }
    }

    /// Reads the next line. `false` at the end of the input.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn next_line(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        self.start = 0;
        self.read_line()
    }

    /// The line last read, if it can be a message by itself.
    pub fn line(&self) -> Option<&str> {
        if self.skipping || self.too_long {
            return None;
        }
        str::from_utf8(&self.buffer).ok()
    }

    /// Reads the next object of the line last read, and of further lines if it goes on there. `None` if there is no
    /// more on the line.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let white_space = rest.iter().take_while(|byte| b" \t\r\n".contains(byte));
        self.start += white_space.count();
        let first = self.buffer.get(self.start);
        let begins_object = first == Some(&b'{');
        let too_long = mem::take(&mut self.too_long);
        if (first.is_none() && !too_long) || (self.skipping && !begins_object) {
            self.start = self.buffer.len();
            return Ok(None);
        }
        let began = self.line_number;
        let read = if too_long {
            Err((Problem::TooLong, None))
        } else if begins_object {
            self.read_object()?
        } else {
            Err(self.first_mistake(Problem::NotAnObject, self.start))
        };
        self.skipping = read.is_err();
        match read {
            Ok(end) => {
                let json = self.buffer.get(self.start..end).unwrap_or_default();
                self.start = end;
                Ok(Some(Piece::Object {
                    line: began,
                    // Each of its lines has been checked.
                    json: str::from_utf8(json).unwrap_or_default(),
                }))
            }
            Err(mistake) => Ok(self.drop_unreadable(mistake, began)),
        }
    }

    /// Drops what began on line `began`. `None` if its mistake has a warning already.
    fn drop_unreadable(&mut self, (problem, at): Mistake, began: u64) -> Option<Piece<'_>> {
        let unreadable = self.start;
        // The line that shows an earlier one to be unreadable may be the start of something new.
        let read_again =
            began < self.line_number && !matches!(problem, Problem::TooLong | Problem::InputEnded);
        self.start = if read_again {
            self.line_start
        } else {
            self.buffer.len()
        };
        let Some(at) = at else {
            let message = self.buffer.get(unreadable..self.start).unwrap_or_default();
            let warning = Warning::of_message(problem, began, message);
            return Some(Piece::Unreadable(warning));
        };
        if self.reported.replace(at) == Some(at) {
            return None;
        }
        let line = self.buffer.get(self.line_start..).unwrap_or_default();
        let at = at.saturating_sub(self.line_start);
        let warning = Warning::at(problem, self.line_number, began, line, at);
        Some(Piece::Unreadable(warning))
    }

    /// Reads one object, from `start` over as many lines as it has. Returns the index in `buffer` of its end.
    fn read_object(&mut self) -> io::Result<Result<usize, Mistake>> {
        let mut bytes = ObjectBytes {
            frames: self,
            taken: 0,
            last: 0,
            backslash: false,
            digits_due: 0,
            mistake: None,
        };
        let mut json = serde_json::Deserializer::from_reader(&mut bytes);
        let value = IgnoredAny::deserialize(&mut json);
        let (taken, last, mistake) = (bytes.taken, bytes.last, bytes.mistake);
        Ok(match (value, mistake) {
            (_, Some(mistake)) => Err(mistake),
            (Ok(_), None) => {
                let end = self.start + taken;
                match self.find_not_utf8(end) {
                    Some(at) => Err((Problem::NotUtf8, Some(at))),
                    None => Ok(end),
                }
            }
            (Err(error), None) if error.is_io() => return Err(error.into()),
            (Err(error), None) => {
                Err(self.first_mistake(Problem::Syntax(error), self.start + last))
            }
        })
    }

    /// Reads the next line of an unfinished object. Returns why it cannot be a part of it, if so.
    fn read_on(&mut self) -> io::Result<Option<Mistake>> {
        if let Some(at) = self.find_not_utf8(self.buffer.len()) {
            return Ok(Some((Problem::NotUtf8, Some(at))));
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        if !self.read_line()? {
            return Ok(Some((Problem::InputEnded, None)));
        }
        if mem::take(&mut self.too_long) {
            return Ok(Some((Problem::TooLong, None)));
        }
        let line = self.buffer.get(self.line_start..).unwrap_or_default();
        let cut_off = str::from_utf8(line).is_ok_and(self.is_envelope);
        let line = self.line_number;
        Ok(cut_off.then_some((Problem::CutOff { line }, None)))
    }

    /// The mistake at this index in `buffer`, unless the line is not UTF-8 there or before.
    fn first_mistake(&self, problem: Problem, at: usize) -> Mistake {
        match self.find_not_utf8(self.buffer.len()) {
            Some(earlier) if earlier <= at => (Problem::NotUtf8, Some(earlier)),
            _ => (problem, Some(at)),
        }
    }

    /// The index in `buffer` of the first byte that is not UTF-8, in what is unused of the line last read up to `end`.
    fn find_not_utf8(&self, end: usize) -> Option<usize> {
        let begin = self.start.max(self.line_start);
        let error = str::from_utf8(self.buffer.get(begin..end)?).err()?;
        Some(begin + error.valid_up_to())
    }

    /// Appends the next line to `buffer`, or the beginning of it if it is too long. `false` at the end of the input.
    fn read_line(&mut self) -> io::Result<bool> {
        match self.stop {
            Stop::LineEnd => {}
            Stop::MidLine => drop(self.input.skip_until(b'\n')?),
            Stop::InputEnd => return Ok(false),
        }
        self.line_number += 1;
        self.line_start = self.buffer.len();
        self.reported = None;
        let mut input = (&mut self.input).take(MAX_READ as u64);
        let read = input.read_until(b'\n', &mut self.buffer)?;
        if self.line_number == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.drain(..BYTE_ORDER_MARK.len());
        }
        let line = self.buffer.get(self.line_start..).unwrap_or_default();
        self.too_long = without_line_break(line).len() > MAX_LENGTH;
        self.stop = match line {
            [.., b'\n'] => Stop::LineEnd,
            _ if read == MAX_READ => Stop::MidLine,
            _ => Stop::InputEnd,
        };
        Ok(read > 0)
    }
}

/// The bytes of one object, over as many lines as it has.
struct ObjectBytes<'a, R> {
    frames: &'a mut Frames<R>,
    /// How many bytes have been read.
    taken: usize,
    /// The offset of the byte read last.
    last: usize,
    /// Whether that is a backslash that begins an escape. (`serde_json` takes one only in a string.)
    backslash: bool,
    /// How many digits of a `\u` escape are still to come.
    digits_due: u8,
    /// Why there are no more bytes.
    mistake: Option<Mistake>,
}

impl<R: BufRead> Read for ObjectBytes<'_, R> {
    /// Reads one byte, so that `serde_json` takes none that it does not look at.
    ///
    /// It takes all four digits of a `\u` escape before it looks at the first. So a byte in their place that is not a
    /// digit is repeated until it has four, and nothing behind the mistake is read.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == MAX_LENGTH {
            self.mistake = Some((Problem::TooLong, None));
        } else if self.frames.start + self.taken == self.frames.buffer.len() {
            self.mistake = self.frames.read_on()?;
        }
        if self.mistake.is_some() {
            return Err(io::Error::other("the object is unreadable"));
        }
        let byte = self.frames.buffer.get(self.frames.start + self.taken);
        let (Some(into), Some(&byte)) = (into.first_mut(), byte) else {
            return Ok(0);
        };
        *into = byte;
        self.last = self.taken;
        if self.digits_due > 0 && !byte.is_ascii_hexdigit() {
            return Ok(1);
        }
        self.taken += 1;
        self.digits_due = match byte {
            b'u' if self.backslash => 4,
            _ => self.digits_due.saturating_sub(1),
        };
        self.backslash = byte == b'\\' && !self.backslash;
        Ok(1)
    }
}
