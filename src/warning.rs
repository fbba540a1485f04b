//! Warnings: what is said of input that gets no reply. Each is one line of at most 500 bytes.

use std::fmt::Display;

use crate::error::{reason, shortened};

/// What is wrong with the input that begins with `found`.
pub fn of_input(line: impl Display, reason: &str, found: &str) -> String {
    match shortened(found).as_str() {
        "" => format!("line {line}: {reason}"),
        found => format!("line {line}: {reason}: `{found}`"),
    }
}

/// What is wrong with input that does not begin with `{`.
pub fn of_no_object(line: u64, found: &str) -> String {
    let reason = if found.starts_with('[') {
        "not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them)"
    } else {
        "not a JSON object, which starts with { (skipping to the next one)"
    };
    of_input(line, reason, found)
}

/// What `serde_json` finds wrong with a message that begins on line `began`.
pub fn of_json(began: u64, message: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return of_input(began, "unfinished message", message);
    }
    let line = began + error.line() as u64 - 1;
    let column = error.column();
    // In column 0, the mistake is the end of the line before.
    let (line, found) = match column.checked_sub(1) {
        None => (line - 1, &[][..]),
        Some(before) => {
            let bad = message.split('\n').nth(error.line() - 1);
            let bad = bad.expect("the mistake is on one of the lines");
            (line, &bad.as_bytes()[before..])
        }
    };
    let reason = reason(error);
    let is_control_character = reason.starts_with("control character");
    // The column may be that of the byte before a control character.
    let found = found
        .get(usize::from(is_control_character)..)
        .unwrap_or_default();
    let is_at_line_end = found.trim_ascii().is_empty();
    let reason = match reason.as_str() {
        "key must be a string" => "expected a key in double quotes",
        _ if is_control_character && is_at_line_end => "missing closing quote",
        reason => reason,
    };
    if is_at_line_end {
        return of_input(line, reason, "");
    }
    let place = format_args!("{line}, column {column}");
    of_input(place, reason, &String::from_utf8_lossy(found))
}
