//! Warnings: the reasons to leave input unanswered, each with its place and an explanation.

use std::fmt;

use crate::error::excerpt;
use crate::request::Unanswerable;

/// Input that gets no reply, and why.
///
/// `Display` is one line of at most 450 bytes, without a line break, whatever the input is.
#[derive(Debug)]
pub struct Warning<'a> {
    problem: Problem,
    /// The line of the mistake, or, if it has no place, the line on which the message begins. Counted from 1.
    line: u64,
    /// The line on which the message begins.
    began: u64,
    /// The whole line of the mistake, or, if it has no place, the message.
    input: &'a [u8],
    /// The index in `input` of the mistake, if it has a place.
    at: Option<usize>,
}

/// A kind of mistake.
#[derive(Debug)]
pub enum Problem {
    /// It does not begin with `{`.
    NotAnObject,
    /// It is not JSON.
    Syntax(serde_json::Error),
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than a line or a message may be.
    TooLong,
    /// A whole envelope follows before it is finished.
    CutOff {
        /// The line of the envelope.
        line: u64,
    },
    /// The input ends before it is finished.
    InputEnded,
    /// It is an object, but it has no answer.
    Unanswerable(Unanswerable),
}

impl<'a> Warning<'a> {
    /// A mistake at the byte `at` of a line, in the message that begins on line `began`.
    pub(crate) fn at(problem: Problem, line: u64, began: u64, input: &'a [u8], at: usize) -> Self {
        let at = Some(at);
        Self {
            problem,
            line,
            began,
            input,
            at,
        }
    }

    /// A mistake without a place, in the message that begins on this line.
    pub(crate) fn of_message(problem: Problem, line: u64, message: &'a [u8]) -> Self {
        Self {
            problem,
            line,
            began: line,
            input: message,
            at: None,
        }
    }

    /// Whether the mistake is at the end of a line of this length, in bytes without its line break.
    ///
    /// Such a line was perhaps cut there on its way to the program.
    #[must_use]
    pub fn is_at_end_of_line(&self, length: usize) -> bool {
        let Some(at) = self.at else {
            return false;
        };
        let line = without_line_break(self.input);
        let cut_character = || {
            let rest = std::str::from_utf8(line.get(at..).unwrap_or_default());
            rest.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        };
        line.len() == length && (at == length || cut_character())
    }

    /// The column of the mistake, in characters from 1. `None` if it is the whole line or message.
    fn column(&self) -> Option<usize> {
        let before = self.input.get(..self.at?).unwrap_or_default();
        let begins_line = before.trim_ascii().is_empty();
        match self.problem {
            Problem::NotAnObject if begins_line => None,
            _ => Some(String::from_utf8_lossy(before).chars().count() + 1),
        }
    }

    /// The input from the mistake on.
    fn found(&self) -> &'a [u8] {
        self.input.get(self.at.unwrap_or(0)..).unwrap_or_default()
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::NotAnObject if self.found().starts_with(b"[") => f.write_str(
                "not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them)",
            ),
            Problem::NotAnObject => f.write_str(
                "not a JSON object, which starts with { (skipping to the next one)",
            ),
            Problem::Syntax(error) => {
                let error = error.to_string();
                // serde_json counts lines and columns from the beginning of the message.
                let reason = error.split_once(" at line ");
                let reason = reason.map_or(error.as_str(), |(reason, _)| reason);
                self.write_syntax(f, reason)
            }
            Problem::NotUtf8 => f.write_str("not UTF-8"),
            Problem::TooLong => f.write_str("longer than 16 MiB"),
            Problem::CutOff { line } => {
                write!(f, "unfinished message, a new one starts on line {line}")
            }
            Problem::InputEnded => f.write_str("unfinished message at the end of the input"),
            Problem::Unanswerable(why) => write!(f, "not answered: {why}"),
        }
    }

    /// Writes what JSON requires, in plain words.
    fn write_syntax(&self, f: &mut fmt::Formatter<'_>, reason: &str) -> fmt::Result {
        f.write_str(match reason {
            "expected value" => "expected a JSON value",
            "expected ident" => "expected true, false or null",
            "expected `,` or `}`" if self.began < self.line => {
                "expected `,` or `}` (is a } missing above?)"
            }
            "key must be a string" if self.found().starts_with(b"}") => "remove the comma before }",
            "key must be a string" => "keys need double quotes",
            "invalid escape" => r"invalid escape (write \\ for a backslash)",
            "control character (\\u0000-\\u001F) found while parsing a string" => {
                if without_line_break(self.found()).is_empty() {
                    "missing closing quote"
                } else {
                    r"raw control character in a string (write \t for a tab)"
                }
            }
            reason => reason,
        })
    }
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column() {
            write!(f, ", column {column}")?;
        }
        if self.began < self.line {
            write!(f, ", in the message from line {}", self.began)?;
        }
        f.write_str(": ")?;
        self.write_problem(f)?;
        if self.input.contains(&0) {
            f.write_str(" (a file in UTF-16? save it as UTF-8)")?;
        }
        let found = excerpt(self.found());
        if !found.is_empty() {
            write!(f, ": `{found}`")?;
        }
        Ok(())
    }
}

/// A line without its line break.
pub fn without_line_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
