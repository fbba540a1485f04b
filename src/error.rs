//! Errors: the reasons to refuse a request, each with a code and an explanation.
//!
//! The codes are those of [Maelstrom's protocol](https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#errors),
//! all of them definite: a refused request has changed nothing.

use std::fmt;

use serde_json::value::RawValue;

/// The most characters quoted of a name or a value.
const QUOTED_CHARS: usize = 40;

/// The most names listed.
const LISTED_NAMES: usize = 5;

/// A reason to refuse a request. `Display` is the `text` of the error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No message type has this name.
    UnknownType(String),
    /// No algorithm has this name.
    UnknownAlgorithm(String),
    /// The pool has no backends.
    EmptyPool {
        /// Whether a request can add backends to the pool.
        open: bool,
    },
    /// Every backend that could get the request is draining. These are the backends, as [`listed`].
    AllDraining(String),
    /// A required key is missing.
    Missing {
        key: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// A field has the wrong type, or is out of range.
    Unusable {
        /// The field, or the place in it.
        field: String,
        /// What would be right.
        wanted: &'static str,
        /// The beginning of the value, as it was written.
        found: String,
    },
    /// A key that the request uses is repeated in its object.
    DuplicateKey(&'static str),
    /// A name is in a list or a report twice.
    ListedTwice { name: String, field: &'static str },
    /// The pool does not have this backend. `pool` has its backends, as [`listed`].
    UnknownBackend { backend: String, pool: String },
    /// The backend has no active connection to complete.
    NoneActive(String),
}

impl Refusal {
    /// The refusal of a field with this value.
    pub fn unusable(field: impl Into<String>, wanted: &'static str, found: &RawValue) -> Self {
        Self::Unusable {
            field: field.into(),
            wanted,
            found: excerpt(found.get().as_bytes()),
        }
    }

    /// The refusal of a field that should have a string.
    pub fn not_a_string(field: impl Into<String>, found: &RawValue) -> Self {
        // In a JSON string, "\ud800" is half of a UTF-16 surrogate pair. That is not Unicode.
        let wanted = if found.get().starts_with('"') {
            "a string of Unicode characters"
        } else {
            "a string"
        };
        Self::unusable(field, wanted, found)
    }

    /// The code in Maelstrom's table of errors.
    pub fn code(&self) -> u16 {
        match self {
            // not-supported
            Self::UnknownType(_) | Self::UnknownAlgorithm(_) => 10,
            // temporarily-unavailable
            Self::EmptyPool { .. } | Self::AllDraining(_) => 11,
            // malformed-request
            Self::Missing { .. }
            | Self::Unusable { .. }
            | Self::DuplicateKey(_)
            | Self::ListedTwice { .. } => 12,
            // key-does-not-exist
            Self::UnknownBackend { .. } => 20,
            // precondition-failed
            Self::NoneActive(_) => 22,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(name) => write!(
                f,
                "unknown message type {}: the known ones are \
                 init, http_request, request_complete, drain, resume, stats and echo",
                quoted(name)
            ),
            Self::UnknownAlgorithm(name) => write!(
                f,
                "unknown algorithm {}: the only one is \"least-connections\"",
                quoted(name)
            ),
            Self::EmptyPool { open: true } => f.write_str(
                "the pool is empty: \
                 name backends in an init, in active_connections, or on the command line",
            ),
            Self::EmptyPool { open: false } => {
                f.write_str("the pool is empty: name backends in an init")
            }
            Self::AllDraining(pool) => {
                write!(f, "every backend is draining: resume one of {pool}")
            }
            Self::Missing { key, wanted } => write!(f, "missing \"{key}\": {wanted}"),
            Self::Unusable {
                field,
                wanted,
                found,
            } => write!(f, "{field} must be {wanted}, not {found}"),
            Self::DuplicateKey(key) => write!(f, "duplicate key \"{key}\""),
            Self::ListedTwice { name, field } => {
                write!(f, "{} is listed twice in {field}", quoted(name))
            }
            Self::UnknownBackend { backend, pool } => {
                let backend = quoted(backend);
                if pool.is_empty() {
                    write!(f, "unknown backend {backend}: the pool is empty")
                } else {
                    write!(f, "unknown backend {backend}: the pool has {pool}")
                }
            }
            Self::NoneActive(backend) => write!(
                f,
                "backend {} has no active connection to complete",
                quoted(backend)
            ),
        }
    }
}

/// The first names of a list, and the number of the others. Empty for an empty list.
pub fn listed<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let first: Vec<_> = names.by_ref().take(LISTED_NAMES).map(quoted).collect();
    let first = first.join(", ");
    match names.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A name in double quotes, escaped as in JSON, and cut after 40 characters, escapes included.
#[must_use]
pub fn quoted(name: &str) -> String {
    let mut shown = String::from("\"");
    let mut chars = 0;
    for c in name.chars() {
        let json = serde_json::Value::from(c.to_string()).to_string();
        // The character is between the double quotes, which `json` always has.
        let escaped = json.get(1..json.len() - 1).unwrap_or_default();
        chars += escaped.chars().count();
        if chars > QUOTED_CHARS {
            shown.push('…');
            break;
        }
        shown.push_str(escaped);
    }
    shown.push('"');
    shown
}

/// The beginning of a JSON value or of other input, at most 40 characters of it, on one line.
///
/// A run of white space becomes one space, or nothing at the ends. Control characters and invalid UTF-8 are replaced.
pub fn excerpt(input: &[u8]) -> String {
    let decoded = input.utf8_chunks().flat_map(|chunk| {
        let replacement = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(replacement)
    });
    let mut shown = String::new();
    let mut chars = 0;
    let mut space = false;
    for c in decoded {
        if matches!(c, ' ' | '\n' | '\r' | '\t') {
            space = chars > 0;
            continue;
        }
        if chars + usize::from(space) >= QUOTED_CHARS {
            shown.push('…');
            break;
        }
        if std::mem::take(&mut space) {
            shown.push(' ');
            chars += 1;
        }
        shown.push(if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        });
        chars += 1;
    }
    shown
}
