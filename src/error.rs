//! Errors: a code and a text, and how a text quotes names and input.

use std::fmt::{self, Display};

/// The most characters that a text quotes of a name or of input.
const MAX_QUOTED: usize = 40;

/// White space, as JSON has it.
pub(crate) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Why a message is refused: what an `error` reply says. A refused message has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// [Maelstrom's](https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#errors): 10 not-supported,
    /// 11 temporarily-unavailable, 12 malformed-request, 20 key-does-not-exist, or 22 precondition-failed.
    pub code: u16,
    /// What is wrong and what would be right, in at most 400 characters on one line.
    pub text: String,
}

impl Refusal {
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code: 12, text }
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
        let reason = reason(error);
        let (line, column) = (began + error.line() as u64 - 1, error.column());
        let Some(before) = column.checked_sub(1) else {
            // The mistake is the end of the line before.
            return Self::unreadable(line - 1, &reason, "");
        };
        // A control character has the column of the byte before it.
        let is_control_character = reason.starts_with("control character");
        let start = before + usize::from(is_control_character);
        let found = json.split('\n').nth(error.line() - 1);
        // A wrong `\u` may have a place after it: on the next line, or inside a character.
        let found = found.and_then(|line| (0..=start).rev().find_map(|start| line.get(start..)));
        let found = found.unwrap_or_default();
        let is_at_line_end = found.trim_start_matches(WHITE_SPACE).is_empty();
        let reason = match reason.as_str() {
            "key must be a string" => "expected a key in double quotes",
            _ if is_control_character && is_at_line_end => "missing closing quote",
            reason => reason,
        };
        if is_at_line_end {
            return Self::unreadable(line, reason, "");
        }
        Self::unreadable(format_args!("{line}, column {column}"), reason, found)
    }
}

/// What `serde_json` says, without the place.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let error = error.to_string();
    let reason = error.rsplit_once(" at line ");
    reason.map_or(&*error, |(reason, _)| reason).to_owned()
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Refuses a list, the value of `field`, in which a name repeats.
pub(crate) fn refuse_repeated<'a>(
    field: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Refusal> {
    // Most lists are sorted, which is seen at once.
    if names.clone().is_sorted_by(|one, next| one < next) {
        return Ok(());
    }
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    let repeated = names.windows(2).find(|pair| pair[0] == pair[1]);
    let text = repeated.map(|pair| format!("{} is listed twice in {field}", quoted(pair[0])));
    text.map_or(Ok(()), |text| Err(Refusal::malformed(text)))
}

/// The first five names of a list, and the number of the others.
pub(crate) fn listed<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let first: Vec<_> = names.by_ref().take(5).map(quoted).collect();
    let first = first.join(", ");
    match names.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A name in double quotes.
#[must_use]
pub fn quoted(name: &str) -> String {
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
