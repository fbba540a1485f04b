//! Lines: reads them one after another, with a bound on their length, numbered and decoded.

use std::io::{self, BufRead};
use std::str;

/// The most bytes of a message, and of a line without its line break.
pub const MAX_LENGTH: usize = 16 << 20;
/// Why a longer one cannot be read.
pub const TOO_LONG: &str = "longer than 16 MiB";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The lines of an input.
pub struct Lines<R> {
    input: R,
    /// The line last read, or the beginning of one that is too long.
    bytes: Vec<u8>,
    number: u64,
    is_at_end: bool,
}

/// A line with its line break, but without a byte order mark at its start.
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// The line, or the beginning of one that is too long.
    pub bytes: &'a [u8],
    /// The same as text, or why it cannot be read.
    pub text: Result<&'a str, &'static str>,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            bytes: Vec::new(),
            number: 0,
            is_at_end: false,
        }
    }

    /// Reads the next line. The last one may lack its line break.
    pub fn read(&mut self) -> io::Result<Option<Line<'_>>> {
        // With a byte order mark, a line break and a byte more, the line is too long.
        const LIMIT: usize = BYTE_ORDER_MARK.len() + MAX_LENGTH + 3;
        // Not read again: on a terminal, that would take another Ctrl-D.
        if self.is_at_end {
            return Ok(None);
        }
        self.bytes.clear();
        let mut limited = io::Read::take(&mut self.input, LIMIT as u64);
        limited.read_until(b'\n', &mut self.bytes)?;
        if !self.bytes.ends_with(b"\n") {
            if self.bytes.len() == LIMIT {
                self.input.skip_until(b'\n')?;
            } else {
                self.is_at_end = true;
            }
        }
        self.number += 1;
        let bytes = self.bytes.strip_prefix(BYTE_ORDER_MARK);
        let bytes = bytes.unwrap_or(&self.bytes);
        let content = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let text = match str::from_utf8(bytes) {
            _ if content.len() > MAX_LENGTH => Err(TOO_LONG),
            text => text.map_err(|_| "not UTF-8"),
        };
        Ok((!self.bytes.is_empty()).then_some(Line {
            number: self.number,
            bytes,
            text,
        }))
    }
}
