//! Framing: splits the input into JSON objects, and resynchronizes after input that is not one.
//!
//! It knows what JSON is, through `serde_json`, but not what a message is. Usually a line is a message, and
//! [`Frames::line`] returns it unparsed. If it turns out not to be one, [`Frames::next_piece`] looks closer: it feeds
//! `serde_json` byte by byte, over as many lines as an object has, and so finds where it ends or goes wrong.

use std::io::{self, BufRead, Read};
use std::{mem, str};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::warning::{Problem, Warning, without_line_break};

/// The most bytes of a line without its line break, and of a message from its first byte to its last.
const MAX_LENGTH: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The most bytes that are read of a line: the longest one, with a byte order mark and a line break.
const MAX_READ: usize = BYTE_ORDER_MARK.len() + MAX_LENGTH + b"\r\n".len();

/// The input, line by line and object by object.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    /// Recognizes a line that is a whole envelope, and so shows that an unfinished message was cut off.
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
    /// The index in `buffer` of the mistake already warned of on the line last read.
    warned_at: Option<usize>,
    /// Whether lines are skipped until one begins with `{`.
    skipping: bool,
}

/// Where reading has stopped.
#[derive(Debug, Clone, Copy)]
enum Stop {
    LineEnd,
    /// Within a line that is too long. The next read skips the rest.
    MidLine,
    /// At the end of the input. It is not read again: a terminal would wait for more.
    InputEnd,
}

/// An object, or input that is not one.
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
            warned_at: None,
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

    /// Reads the next object that begins on the line last read, with the further lines that it needs. `None` if the
    /// line has nothing more to answer or to warn of.
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
                    // Each of its lines has been checked to be UTF-8.
                    json: str::from_utf8(json).unwrap_or_default(),
                }))
            }
            Err(mistake) => Ok(self.drop_unreadable(mistake, began)),
        }
    }

    /// Drops what began on line `began`. `None` if its mistake has a warning already.
    fn drop_unreadable(&mut self, (problem, at): Mistake, began: u64) -> Option<Piece<'_>> {
        let first = self.start;
        // The line of the mistake may start a new message, if the bad one began earlier.
        let read_again =
            began < self.line_number && !matches!(problem, Problem::TooLong | Problem::InputEnded);
        self.start = if read_again {
            self.line_start
        } else {
            self.buffer.len()
        };
        let Some(at) = at else {
            let message = self.buffer.get(first..self.start).unwrap_or_default();
            let warning = Warning::of_message(problem, began, message);
            return Some(Piece::Unreadable(warning));
        };
        if self.warned_at.replace(at) == Some(at) {
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
        let ObjectBytes {
            taken,
            last,
            mistake,
            ..
        } = bytes;
        if let Some(mistake) = mistake {
            return Ok(Err(mistake));
        }
        match value {
            Err(error) if error.is_io() => Err(error.into()),
            Err(error) => {
                let last = self.start + last;
                Ok(Err(self.first_mistake(Problem::Syntax(error), last)))
            }
            Ok(IgnoredAny) => {
                let end = self.start + taken;
                Ok(match self.find_not_utf8(end) {
                    Some(at) => Err((Problem::NotUtf8, Some(at))),
                    None => Ok(end),
                })
            }
        }
    }

    /// Reads the next line of an unfinished object. Returns a mistake if the line cannot continue it.
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
        let problem = Problem::CutOff {
            line: self.line_number,
        };
        Ok(cut_off.then_some((problem, None)))
    }

    /// The mistake at this index in `buffer`, unless the line is not UTF-8 there or before.
    fn first_mistake(&self, problem: Problem, at: usize) -> Mistake {
        match self.find_not_utf8(self.buffer.len()) {
            Some(earlier) if earlier <= at => (Problem::NotUtf8, Some(earlier)),
            _ => (problem, Some(at)),
        }
    }

    /// The index in `buffer` of the first byte before `end` that is not UTF-8, in the last line's unused part.
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
        self.warned_at = None;
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
    /// Whether that is a backslash that begins an escape. (Outside a string, it is a mistake anyway.)
    backslash: bool,
    /// How many digits of a `\u` escape are still to come.
    digits_due: u8,
    /// Why there are no more bytes.
    mistake: Option<Mistake>,
}

impl<R: BufRead> Read for ObjectBytes<'_, R> {
    /// Reads one byte, so that `serde_json` takes none that it does not check.
    ///
    /// Only of a `\u` escape, it takes four bytes and then checks them. So a byte there that is not a hex digit is
    /// returned again until it has four, and nothing behind it is taken.
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
