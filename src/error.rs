//! What a request can be refused for, each with Maelstrom's error code and a text for the person who sent it.
//!
//! The codes are those of [Maelstrom's protocol](https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#errors),
//! all of them definite there: a refused request has changed nothing.

use std::fmt;

/// How many characters of a name or a value a text quotes.
const QUOTED_CHARS: usize = 40;

/// How many of the pool's names a text lists.
const LISTED_NAMES: usize = 5;

/// Why a request was refused. `Display` is the `text` of the error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The body's `type` is none of the known ones.
    UnknownType(String),
    /// The algorithm asked for is not the one there is.
    UnknownAlgorithm(String),
    /// There is nothing to route to.
    EmptyPool {
        /// Whether a request may bring backends into the pool.
        open: bool,
    },
    /// A required field is not there.
    Missing {
        /// The field's name.
        field: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// A field holds what it must not.
    Unusable {
        /// The field, or the place in it.
        field: String,
        /// What would be right.
        wanted: &'static str,
        /// The beginning of the value, as it was written.
        found: String,
    },
    /// A field stands twice in its object.
    GivenTwice(&'static str),
    /// A name stands twice in a field that holds names.
    NamedTwice {
        /// The field's name.
        field: &'static str,
        /// The name that stands there twice.
        name: String,
    },
    /// A backend that is not in the pool.
    UnknownBackend {
        /// The name that the pool does not have.
        backend: String,
        /// The first few of the names that it does have.
        pool: Vec<String>,
        /// How many more it has.
        more: usize,
    },
    /// A request cannot end at a backend that has none active.
    NoneActive(String),
}

impl Refusal {
    /// The code of Maelstrom's error table.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            // not-supported
            Self::UnknownType(_) | Self::UnknownAlgorithm(_) => 10,
            // temporarily-unavailable
            Self::EmptyPool { .. } => 11,
            // malformed-request
            Self::Missing { .. }
            | Self::Unusable { .. }
            | Self::GivenTwice(_)
            | Self::NamedTwice { .. } => 12,
            // key-does-not-exist
            Self::UnknownBackend { .. } => 20,
            // precondition-failed
            Self::NoneActive(_) => 22,
        }
    }

    /// The refusal of a `backend` that a pool of these names does not have.
    pub fn unknown_backend<'a>(
        backend: &str,
        mut pool: impl ExactSizeIterator<Item = &'a str>,
    ) -> Self {
        Self::UnknownBackend {
            backend: backend.to_owned(),
            pool: pool
                .by_ref()
                .take(LISTED_NAMES)
                .map(str::to_owned)
                .collect(),
            more: pool.len(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(name) => write!(
                f,
                "unknown message type {}: the known ones are init, http_request, request_complete, stats and echo",
                quoted(name)
            ),
            Self::UnknownAlgorithm(name) => write!(
                f,
                "unknown algorithm {}: the only one is \"least-connections\"",
                quoted(name)
            ),
            Self::EmptyPool { open } => {
                f.write_str("the pool is empty, so there is no backend to route to: name some in backends of an init")?;
                if *open {
                    f.write_str(
                        ", in active_connections of an http_request, or on the command line",
                    )?;
                }
                Ok(())
            }
            Self::Missing { field, wanted } => write!(f, "{field} is missing: it must be {wanted}"),
            Self::Unusable {
                field,
                wanted,
                found,
            } => write!(f, "{field} must be {wanted}, not {found}"),
            Self::GivenTwice(field) => {
                write!(f, "{field} is given twice: it must be given once")
            }
            Self::NamedTwice { field, name } => write!(
                f,
                "{field} names {} twice: it must name each only once",
                quoted(name)
            ),
            Self::UnknownBackend {
                backend,
                pool,
                more,
            } => {
                write!(f, "backend {} is not in the pool", quoted(backend))?;
                if pool.is_empty() {
                    return f.write_str(", which is empty: name backends in an init");
                }
                let names: Vec<String> = pool.iter().map(|name| quoted(name)).collect();
                write!(f, ": it must be one of {}", names.join(", "))?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                Ok(())
            }
            Self::NoneActive(backend) => write!(
                f,
                "backend {} has no active connection: it must have a request that was routed to it and has not ended yet",
                quoted(backend)
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// A name as a text shows it: in quotes, as JSON has it, and shortened where it is long.
pub fn quoted(name: &str) -> String {
    let shown = match name.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or(name)),
        None => name.to_owned(),
    };
    serde_json::Value::String(shown).to_string()
}

/// A value as a text shows it: as it was written, but on one line and shortened where it is long.
pub fn excerpt(value: &[u8]) -> String {
    let decoded = value.utf8_chunks().flat_map(|chunk| {
        let damage = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(damage)
    });
    let mut shown = String::new();
    let mut chars = 0;
    let mut gap = false;
    for c in decoded {
        if matches!(c, ' ' | '\n' | '\r' | '\t') {
            gap = chars > 0;
            continue;
        }
        if chars + usize::from(gap) >= QUOTED_CHARS {
            shown.push('…');
            break;
        }
        if std::mem::take(&mut gap) {
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

#[cfg(test)]
mod tests {
    use super::{excerpt, quoted};

    #[test]
    fn a_name_of_forty_characters_is_shown_whole_and_a_longer_one_is_cut() {
        let forty = "é".repeat(40);
        assert_eq!(quoted(&forty), format!("\"{forty}\""));
        assert_eq!(quoted(&format!("{forty}é")), format!("\"{forty}…\""));
    }

    #[test]
    fn a_value_of_forty_characters_is_shown_whole_and_a_longer_one_is_cut() {
        let forty = "7".repeat(40);
        assert_eq!(excerpt(forty.as_bytes()), forty);
        assert_eq!(excerpt(format!(" {forty}\r\n").as_bytes()), forty);
        assert_eq!(excerpt(format!("{forty}7").as_bytes()), format!("{forty}…"));
    }

    #[test]
    fn a_value_of_several_lines_is_shown_on_one() {
        assert_eq!(excerpt(b"[\r\n    1,\n\t2\n]"), "[ 1, 2 ]");
    }

    #[test]
    fn a_value_cannot_steer_the_terminal_it_is_shown_on() {
        assert_eq!(excerpt(b"\x1b[2J\x07"), "\u{fffd}[2J\u{fffd}");
    }

    #[test]
    fn a_value_that_is_not_utf8_is_shown_as_far_as_it_is() {
        assert_eq!(
            excerpt(b"caf\xe9 \xff\xfe."),
            "caf\u{fffd} \u{fffd}\u{fffd}."
        );
    }

    #[test]
    fn a_name_is_escaped_no_further_than_json_demands() {
        assert_eq!(
            quoted("हिन्दी 👨\u{200d}👩 \"\\/\n"),
            r#""हिन्दी 👨‍👩 \"\\/\n""#
        );
    }
}
