//! Messages: an object becomes one, with its address, its `msg_id` and its type; or a reply, which is not answered.

use serde::Deserialize;

use crate::error::{Refusal, WHITE_SPACE};
use crate::object::{Object, Str};

const TYPE: &str = r#"a string, such as "http_request""#;
const BODY: &str = r#"an object with a "type""#;
const MSG_ID: &str = "an integer from 0 to 18446744073709551615";

/// The `src` and `dest` of a message. A bare body has none, and gets a bare reply.
pub type Address<'a> = Option<(Str<'a>, Str<'a>)>;

/// A message: what is asked for, and where the reply goes.
pub struct Message<'a> {
    pub address: Address<'a>,
    /// Comes back as `in_reply_to`.
    pub msg_id: Option<u64>,
    /// The `type`, or why the message is refused.
    pub kind: Result<Str<'a>, Refusal>,
    /// All keys of the body.
    pub fields: Object<'a>,
}

impl Message<'_> {
    /// What cannot be read.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            address: None,
            msg_id: None,
            kind: Err(refusal),
            fields: Object::EMPTY,
        }
    }
}

/// An envelope whose `src`, `dest` and `body` are right and there once.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    src: Str<'a>,
    #[serde(borrow)]
    dest: Str<'a>,
    #[serde(borrow)]
    body: Object<'a>,
}

/// Reads the object at the beginning of `json`. Returns the message, unless it is a reply, and its length. An error means
/// that the JSON is wrong, or goes on after `json`.
pub fn read(json: &str) -> serde_json::Result<(Option<Message<'_>>, usize)> {
    // Most envelopes begin with one of these keys (`id` is Maelstrom's), and are read in one pass.
    let start = json.trim_start_matches(|c| c == '{' || WHITE_SPACE.contains(&c));
    let mut keys = [r#""src""#, r#""dest""#, r#""body""#, r#""id""#].iter();
    if keys.any(|key| start.starts_with(key)) {
        if let Ok((Envelope { src, dest, body }, length)) = first(json) {
            return Ok((message(Some((src, dest)), body, None), length));
        }
    }
    let (object, length) = first(json)?;
    Ok((any_message(object), length))
}

/// The first value in `json`, and the length up to its end.
pub fn first<'a, T: Deserialize<'a>>(json: &'a str) -> serde_json::Result<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter();
    let value = values.next().expect("an object or a list begins here");
    Ok((value?, values.byte_offset()))
}

/// The message in any object, unless it is a reply. Of a repeated key, the last value holds.
fn any_message(object: Object) -> Option<Message> {
    let body: Option<Object> = object.last("body");
    match (object.last("src"), object.last("dest"), body) {
        (Some(src), Some(dest), body) => {
            let mistake = object.required::<Object>("body", BODY).err();
            let body = body.unwrap_or(Object::EMPTY);
            message(Some((src, dest)), body, mistake)
        }
        (src, _, Some(body)) if body.has("type") && !object.has("type") => {
            let key = if src.is_none() { "src" } else { "dest" };
            let mistake = object.required::<Str>(key, "a string").err();
            message(None, body, mistake)
        }
        _ => message(None, object, None),
    }
}

/// The message with this body, unless it is a reply. `mistake` is one of its envelope.
fn message<'a>(
    address: Address<'a>,
    fields: Object<'a>,
    mistake: Option<Refusal>,
) -> Option<Message<'a>> {
    let kind: Result<Str, _> = fields.required("type", TYPE);
    if fields.has("in_reply_to") || kind.as_ref().is_ok_and(|kind| is_type_of_reply(&kind.0)) {
        return None;
    }
    let msg_id = fields.optional("msg_id", MSG_ID);
    Some(Message {
        address,
        msg_id: msg_id.clone().unwrap_or_else(|_| fields.last("msg_id")),
        kind: mistake.map_or(Ok(()), Err).and(msg_id).and(kind),
        fields,
    })
}

/// Whether this is a type of replies, of any program. (Two nodes that answer each other's replies never stop.)
pub fn is_type_of_reply(kind: &str) -> bool {
    matches!(kind, "error" | "http_response") || kind.ends_with("_ok")
}
