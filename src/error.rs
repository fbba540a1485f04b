//! Errors: the reasons to refuse a request, each with a code and a text.
//!
//! The codes are those of [Maelstrom's protocol](https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#errors),
//! all of them definite: a refused request has changed nothing.

use std::fmt;

use crate::message::TYPES;

/// The most characters that are quoted of a name or a value.
const QUOTED_CHARS: usize = 40;

/// A reason to refuse a request. `Display` is the `text` of the error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's comment explains its fields")]
pub enum Refusal {
    /// The message is malformed, for this reason.
    Malformed(String),
    /// A list, the value of `field`, has this name twice.
    ListedTwice { name: String, field: &'static str },
    /// No message type has this name.
    UnknownType(String),
    /// No algorithm has this name.
    UnknownAlgorithm(String),
    /// The pool, of which the first names are given, does not have this backend.
    UnknownBackend { backend: String, pool: String },
    /// The pool has no backends. `open`: a request can add some.
    EmptyPool { open: bool },
    /// Every backend is draining. These are the first names of the pool.
    AllDraining(String),
    /// This backend has no active connection to complete.
    NoneActive(String),
}

impl Refusal {
    /// The code in Maelstrom's table of errors.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::ListedTwice { .. } => 12, // malformed-request
            Self::UnknownType(_) | Self::UnknownAlgorithm(_) => 10, // not-supported
            Self::UnknownBackend { .. } => 20,                   // key-does-not-exist
            Self::EmptyPool { .. } | Self::AllDraining(_) => 11, // temporarily-unavailable
            Self::NoneActive(_) => 22,                           // precondition-failed
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => f.write_str(reason),
            Self::ListedTwice { name, field } => {
                write!(f, "{} is listed twice in {field}", quoted(name))
            }
            Self::UnknownType(name) => {
                let name = quoted(name);
                write!(f, "unknown message type {name}: the known ones are {TYPES}")
            }
            Self::UnknownAlgorithm(name) => {
                let name = quoted(name);
                write!(
                    f,
                    "unknown algorithm {name}: the only one is \"least-connections\""
                )
            }
            Self::UnknownBackend { backend, pool } => {
                write!(f, "unknown backend {}: the pool ", quoted(backend))?;
                match pool.as_str() {
                    "" => f.write_str("is empty"),
                    pool => write!(f, "has {pool}"),
                }
            }
            Self::EmptyPool { open: true } => f.write_str(
                "the pool is empty: \
                 name backends in an init, in active_connections, or on the command line",
            ),
            Self::EmptyPool { .. } => f.write_str("the pool is empty: name backends in an init"),
            Self::AllDraining(pool) => {
                write!(f, "every backend is draining: resume one of {pool}")
            }
            Self::NoneActive(backend) => {
                let backend = quoted(backend);
                write!(f, "backend {backend} has no active connection to complete")
            }
        }
    }
}

/// The first five names of a list, and the number of the others. Empty for an empty list.
pub(crate) fn listed<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let first: Vec<_> = names.by_ref().take(5).map(quoted).collect();
    let first = first.join(", ");
    match names.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A name in double quotes, with escapes, cut after 40 characters.
#[must_use]
pub fn quoted(name: &str) -> String {
    let start: String = name.chars().take(QUOTED_CHARS + 1).collect();
    let escaped = format!("{start:?}");
    format!("\"{}\"", cut(escaped[1..escaped.len() - 1].to_owned()))
}

/// The beginning of JSON or of other input, on one line, cut after 40 characters.
pub(crate) fn shortened(input: &str) -> String {
    let words = input.split(|c: char| c.is_whitespace() || c.is_control());
    // So many words, each up to so many characters, are enough to be cut.
    let words = words.filter(|word| !word.is_empty()).take(QUOTED_CHARS);
    let words = words.map(|word| word.chars().take(QUOTED_CHARS + 1).collect());
    cut(words.collect::<Vec<String>>().join(" "))
}

fn cut(mut quote: String) -> String {
    if let Some((end, _)) = quote.char_indices().nth(QUOTED_CHARS) {
        quote.truncate(end);
        quote.push('…');
    }
    quote
}

/// What `serde_json` says, without the place.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let mut reason = error.to_string();
    if let Some(end) = reason.rfind(" at line ") {
        reason.truncate(end);
    }
    reason
}
