//! The typed reader: one fast pass over a well-formed message.
//!
//! It leaves whatever it is not sure of to the careful reader, such as a repeated key, a null where a value is required,
//! or an escape in a name. It has no rules of its own.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::json::{Object, Pairs};
use super::{Action, Address, Message, Request};
use crate::least_connections::Count;

/// The keys of an envelope and of a body together, so that one pass reads a bare body, too.
#[derive(Debug, Deserialize)]
struct Fields<'a> {
    src: Option<&'a str>,
    dest: Option<&'a str>,
    #[serde(borrow)]
    body: Option<Object<Fields<'a>>>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    msg_id: Option<u64>,
    in_reply_to: Option<IgnoredAny>,
    #[serde(borrow)]
    backends: Option<Vec<&'a str>>,
    algorithm: Option<&'a str>,
    node_id: Option<&'a str>,
    #[serde(borrow)]
    node_ids: Option<Vec<&'a str>>,
    #[serde(borrow)]
    active_connections: Option<Pairs<&'a str, Count>>,
    backend: Option<&'a str>,
    #[serde(borrow)]
    echo: Option<&'a RawValue>,
}

/// Reads a message. `None` leaves it to the careful reader.
pub fn read(object: &str) -> Option<Message<'_, &str>> {
    let Object(fields): Object<Fields> = serde_json::from_str(object).ok()?;
    match *fields {
        Fields {
            src: Some(src),
            dest: Some(dest),
            body: Some(Object(body)),
            ..
        } => body.message(Some(Address { src, dest })),
        Fields {
            src: None,
            dest: None,
            ..
        } => fields.message(None),
        _ => None,
    }
}

impl<'a> Fields<'a> {
    /// The message with this body.
    fn message(self, address: Option<Address<&'a str>>) -> Option<Message<'a, &'a str>> {
        if self.in_reply_to.is_some() {
            return None;
        }
        let of_backend = |action| {
            let backend = self.backend?;
            Some(Request::OfBackend { action, backend })
        };
        let request = match self.kind? {
            "init" => Request::Init {
                backends: self.backends,
                algorithm: self.algorithm,
                node_id: self.node_id,
                node_ids: self.node_ids,
            },
            "http_request" => Request::HttpRequest {
                algorithm: self.algorithm,
                active_connections: self.active_connections.map(|Pairs(counts)| counts),
            },
            "request_complete" => of_backend(Action::RequestComplete)?,
            "drain" => of_backend(Action::Drain)?,
            "resume" => of_backend(Action::Resume)?,
            "stats" => Request::Stats,
            "echo" => Request::Echo { echo: self.echo? },
            _ => return None,
        };
        Some(Message {
            address,
            msg_id: self.msg_id,
            request: Ok(request),
        })
    }
}
