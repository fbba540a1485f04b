//! Errors: a code and a text, and how a text quotes names and input.

use std::collections::HashSet;
use std::fmt::{self, Display};

/// The most characters that a text quotes of a name or of input.
const MAX_QUOTED: usize = 40;

/// White space, as JSON has it.
pub(crate) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The codes of errors, [Maelstrom's](https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#errors).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The message type or the algorithm is unknown.
    NotSupported = 10,
    /// There is no backend to route to.
    TemporarilyUnavailable = 11,
    /// The message cannot be read, or one of its fields is missing or wrong.
    MalformedRequest = 12,
    /// The pool does not have the backend.
    KeyDoesNotExist = 20,
    /// The pool has the backend already.
    KeyAlreadyExists = 21,
    /// The backend has no active connection to complete.
    PreconditionFailed = 22,
}

/// Why a message or a call is refused: what an `error` reply says. It has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of the error.
    pub code: Code,
    /// What is wrong and what would be right, in at most 400 characters on one line.
    pub text: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }

    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, text)
    }

    /// The refusal of what cannot be read, quoted from `found` on.
    pub(crate) fn unreadable(line: impl Display, reason: &str, found: &str) -> Self {
        match shortened(found).as_str() {
            "" => Self::malformed(format!("line {line}: {reason}")),
            found => Self::malformed(format!("line {line}: {reason}: `{found}`")),
        }
    }

    /// The refusal of JSON that begins on line `began`, and in which `serde_json` finds this mistake.
    pub(crate) fn not_json(json: &str, began: u64, error: &serde_json::Error) -> Self {
        if error.is_eof() {
            return Self::unreadable(began, "unfinished message", json);
        }
        let reason = error.to_string();
        let reason = reason.rsplit_once(" at line ").map_or(&*reason, |it| it.0);
        // These are the words of `serde_json` 1. If they change one day, they are passed on.
        let is_key = reason == "key must be a string";
        let is_control_character = reason.starts_with("control character");
        let column = error.column();
        // In column 0, the mistake is the end of the line before.
        let line = began + error.line() as u64 - 1 - u64::from(column == 0);
        let text = json.split('\n').nth(error.line() - 1).unwrap_or_default();
        let text = if column == 0 { "" } else { text };
        // A control character has the column of the byte before it.
        let start = column.saturating_sub(usize::from(!is_control_character));
        // The place of a wrong `\u` is up to four bytes after it: maybe on the next line, or inside a character.
        let found = (0..=start).rev().find_map(|start| text.get(start..));
        let found = found.unwrap_or_default();
        let is_at_line_end = found.trim_start_matches(WHITE_SPACE).is_empty();
        let reason = match reason {
            _ if is_key && found.starts_with('}') => "trailing comma",
            _ if is_key => "expected a key in double quotes",
            _ if is_control_character && is_at_line_end => "missing closing quote",
            reason => reason,
        };
        if is_at_line_end {
            return Self::unreadable(line, reason, "");
        }
        Self::unreadable(format_args!("{line}, column {column}"), reason, found)
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Refuses the names of a pool if one of them is empty or repeats.
pub(crate) fn check_names<'a, N: Iterator<Item = &'a str> + Clone>(
    mut names: N,
) -> Result<(), Refusal> {
    // In ascending order, no name repeats, and only the first may be empty.
    if names.clone().is_sorted_by(|one, next| one < next) && names.clone().next() != Some("") {
        return Ok(());
    }
    let mut seen = HashSet::new();
    let text = match names.find(|name| name.is_empty() || !seen.insert(*name)) {
        None => return Ok(()),
        Some("") => "a backend's name is empty".to_owned(),
        Some(name) => format!("{} is listed twice", quoted(name)),
    };
    Err(Refusal::malformed(text))
}

/// The first five names of a list, and the number of the others. Empty if there are none.
pub(crate) fn listed<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let first: Vec<_> = names.by_ref().take(5).map(quoted).collect();
    let first = first.join(", ");
    match names.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", shown(name.chars()))
}

/// The beginning of JSON or of other input, with one space for white space.
pub(crate) fn shortened(input: &str) -> String {
    let words = input.split(WHITE_SPACE);
    let words = words.filter(|word| !word.is_empty());
    let spaced = words.flat_map(|word| [" ", word]).skip(1);
    shown(spaced.flat_map(str::chars))
}

/// Writes invisible characters as escapes, and cuts what is long.
fn shown(input: impl Iterator<Item = char>) -> String {
    let start: String = input.take(MAX_QUOTED + 1).collect();
    let escaped = start.escape_debug().to_string();
    // Quotes and backslashes stay as they are.
    let escaped = escaped.replace(r"\'", "'").replace("\\\"", "\"");
    let mut shown = escaped.replace(r"\\", r"\");
    if let Some((end, _)) = shown.char_indices().nth(MAX_QUOTED) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
