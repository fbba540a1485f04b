//! Brackets: how far an object goes, if it is wrong or goes on after its first line.

use crate::error::WHITE_SPACE;

/// The brackets of an object outside of strings, up to the end of a line. Any closing one closes any opening one.
#[derive(Default)]
pub struct Brackets {
    open: Vec<u8>,
    /// Whether all of them were closed once. Then the object has ended, unless it is wrong.
    have_closed: bool,
    pub in_string: bool,
    after_backslash: bool,
    /// The last two bytes outside of strings, white space aside. Of a string, its opening quote counts.
    last: [u8; 2],
}

impl Brackets {
    pub fn of(bytes: &[u8]) -> Self {
        let mut brackets = Self::default();
        brackets.follow(bytes);
        brackets
    }

    /// Follows the object to the end of its next line.
    pub fn follow(&mut self, line: &[u8]) {
        for &byte in line {
            if self.in_string {
                self.in_string = self.after_backslash || byte != b'"';
                self.after_backslash = !self.after_backslash && byte == b'\\';
                continue;
            }
            if is_white_space(byte) {
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.open.push(byte),
                b'}' | b']' => {
                    self.open.pop();
                    self.have_closed |= self.open.is_empty();
                }
                _ => {}
            }
            self.last = [self.last[1], byte];
        }
    }

    /// Whether a value may come next. It may after a colon that is behind a string.
    pub fn may_take_value(&self) -> bool {
        match self.last {
            [_, b'['] | [b'"', b':'] => true,
            [_, b','] => self.open.last() == Some(&b'['),
            _ => false,
        }
    }

    /// Whether brackets or a string are open.
    pub fn are_open(&self) -> bool {
        self.in_string || !self.open.is_empty()
    }

    /// Whether the object goes on after the line. No string does.
    pub fn goes_on(&self) -> bool {
        !self.in_string && !self.have_closed
    }
}

pub fn is_white_space(byte: u8) -> bool {
    WHITE_SPACE.contains(&char::from(byte))
}

pub fn begins_with_bracket(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'{' | b'['))
}

/// Whether the unreadable rest of a line leaves something open. Of text, only an opening bracket at its end counts.
pub fn is_left_open(bytes: &[u8]) -> bool {
    if begins_with_bracket(bytes) {
        return Brackets::of(bytes).are_open();
    }
    let last = bytes.iter().rfind(|byte| !is_white_space(**byte));
    matches!(last, Some(b'{' | b'['))
}
