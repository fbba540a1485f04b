//! Requests: the address for the reply, and what is asked for.
//!
//! There are two readers. [`typed`] reads a well-formed message in one pass, and returns `None` for all else.
//! [`careful`] reads any object, by the README's rules: what is an error, which one, and what only gets a warning. Where
//! both read a message, they agree; the tests at the end of this file compare them.

pub mod careful;
mod json;
pub mod typed;

use std::fmt;

use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::least_connections::Count;

/// A message: the address for the reply, and what is asked for. `S` is the type of its strings.
#[derive(Debug)]
pub struct Message<'a, S> {
    /// `None` for a bare body, which gets a bare reply.
    pub address: Option<Address<S>>,
    /// `None` if it is absent or unusable.
    pub msg_id: Option<u64>,
    /// The request, or why it is refused.
    pub request: Result<Request<'a, S>, Refusal>,
}

/// Where a message came from, and where it was sent.
#[derive(Debug)]
pub struct Address<S> {
    pub src: S,
    pub dest: S,
}

/// A request, by the `type` of its body. The fields have the names of the body's keys.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "these are the types' names")]
pub enum Request<'a, S> {
    Init {
        backends: Option<Vec<S>>,
        algorithm: Option<S>,
        node_id: Option<S>,
        node_ids: Option<Vec<S>>,
    },
    HttpRequest {
        algorithm: Option<S>,
        /// Names and counts in the order in which they were reported. A name may be there twice.
        active_connections: Option<Vec<(S, Count)>>,
    },
    /// One of the three types that name one backend.
    OfBackend {
        action: Action,
        backend: S,
    },
    Stats,
    Echo {
        echo: &'a RawValue,
    },
}

/// An operation on one backend.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    RequestComplete,
    Drain,
    Resume,
}

/// A reason to leave an object unanswered.
#[derive(Debug)]
pub enum Unanswerable {
    /// It is neither an envelope nor a bare body.
    NoType,
    /// It has a `body`, but neither `src` nor `dest`.
    NoAddress,
    /// `src` or `dest` is missing.
    Missing(&'static str),
    /// `src` or `dest` is unusable.
    BadAddress(Refusal),
    /// It is a reply. Answering replies might never end.
    Reply,
}

impl fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoType => f.write_str(r#"no "type", and no "src" and "dest""#),
            Self::NoAddress => f.write_str(r#"missing "src" and "dest""#),
            Self::Missing(key) => write!(f, "missing \"{key}\""),
            Self::BadAddress(refusal) => write!(f, "{refusal}"),
            Self::Reply => f.write_str("it is a reply itself (it has in_reply_to)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{careful, typed};

    /// Bodies of every type, as they should be.
    const BODIES: &[&str] = &[
        r#"{"type":"init","msg_id":1,"backends":["a","é"],"algorithm":"x","node_id":"n","node_ids":["n"]}"#,
        r#"{"type":"http_request","msg_id":18446744073709551615,"method":"GET","headers":{"a":[1e9,"\n"]}}"#,
        r#"{"active_connections":{"a":0,"b":9007199254740991,"a":1},"algorithm":"x","type":"http_request"}"#,
        r#"{"type":"request_complete","msg_id":null,"backend":"a","in_reply_to":null}"#,
        r#"{"type":"drain","msg_id":4,"backend":"a","src":null}"#,
        r#"{"type":"resume","msg_id":5,"backend":""}"#,
        r#"{"type":"stats","node_ids":null,"body":null,"msg_id":6,"x":"\ud800"}"#,
        r#"{"type":"echo","msg_id":7,"echo":{"k":[1.50,"\u00e9",{}],"k":true}}"#,
    ];

    fn messages() -> impl Iterator<Item = String> {
        BODIES.iter().flat_map(|body| {
            let envelope = format!(r#"{{"src":"c","dest":"n","id":0,"body":{body}}}"#);
            [body.to_string(), envelope]
        })
    }

    /// What the typed reader takes, the careful one must read the same way. Returns whether it takes it.
    #[track_caller]
    fn takes(object: &str) -> bool {
        let Some(typed) = typed::read(object) else {
            return false;
        };
        let careful = careful::read(object).expect("it has an answer");
        assert_eq!(format!("{typed:?}"), format!("{careful:?}"), "{object}");
        true
    }

    #[test]
    fn the_typed_reader_takes_every_type_in_both_forms() {
        for message in messages() {
            assert!(takes(&message), "{message}");
        }
    }

    #[test]
    fn the_typed_reader_agrees_with_the_careful_one() {
        const INSERTED: &[&str] = &[
            "0",
            "\"",
            "\\",
            "[",
            "{",
            "}",
            "-",
            ".5",
            "e1",
            " ",
            "\n",
            "\u{1}",
            "null,",
            "\"a\":1,",
            "\"type\":1,",
            "\"\\u0074ype\":\"stats\",",
            "\"backend\":null,",
            "\"src\":\"c\",",
            "\"in_reply_to\":1,",
            "\"msg_id\":2,",
            "\"echo\":null,",
            "\\u0061",
            "\\ud800",
        ];
        let mut taken = 0;
        for message in messages() {
            for (at, c) in message.char_indices() {
                let (before, after) = message.split_at(at);
                for inserted in INSERTED {
                    taken += usize::from(takes(&format!("{before}{inserted}{after}")));
                }
                taken += usize::from(takes(&format!("{before}{}", &after[c.len_utf8()..])));
            }
        }
        assert!(taken > 5000, "only {taken}");
    }

    #[test]
    fn the_typed_reader_refuses_what_it_is_not_sure_of() {
        for object in [
            r#"["c","n",{"type":"stats"}]"#,
            r#"{"src":"c","dest":"n","body":["c","n",null,"stats"]}"#,
            r#"{"src":"c","dest":"n","body":null,"type":"stats"}"#,
            r#"{"src":"c","body":{"type":"stats"}}"#,
            r#"{"src":"c","type":"stats"}"#,
            r#"{"type":"stats","type":"stats"}"#,
            r#"{"type":"stats","msg_id":1.0}"#,
            r#"{"type":"stats","msg_id":-0}"#,
            r#"{"type":"stats","in_reply_to":1}"#,
            r#"{"type":{"stats":null}}"#,
            r#"{"type":"echo","echo":null}"#,
            r#"{"type":"drain","backend":null}"#,
            r#"{"type":"http_request","active_connections":[["a",1]]}"#,
            r#"{"type":"http_request","active_connections":{"a":9007199254740992}}"#,
            r#"{"type":"init","backends":[1]}"#,
            r#"{"type":"broadcast"}"#,
            r#"{"type":"stats"} {}"#,
        ] {
            assert!(!takes(object), "{object}");
        }
    }

    #[test]
    fn neither_reader_takes_a_raw_control_character_in_a_string() {
        for object in [
            "{\"ty\u{1}pe\":1,\"type\":\"stats\"}",
            "{\"type\":\"stats\",\"x\":\"\n\"}",
        ] {
            assert!(
                !takes(object) && careful::read(object).is_err(),
                "{object:?}"
            );
            assert!(!careful::is_envelope(object), "{object:?}");
        }
        let envelope = "{\"src\":\"c\",\"dest\":\"n\",\"body\":{\"\u{1}\":1}}";
        assert!(!careful::is_envelope(envelope));
    }
}
