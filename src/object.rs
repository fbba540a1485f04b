//! Objects: each becomes a message, or the reason to refuse it.
//!
//! `serde` reads what is right in one pass. What it refuses is read again, key by key; of a repeated key, the last value
//! holds.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::error::{Refusal, quoted, reason, shortened};
use crate::message::{Address, Body, Entries, Envelope, MAX_COUNT, Message, Str, is_type_of_reply};

const TYPE: &str = r#"a string, such as "http_request""#;
const BODY: &str = r#"an object with a "type""#;
const NEITHER: &str =
    r#"neither an envelope (its "src" and "dest" are strings) nor a body (it has a "type")"#;
const LIST: &str =
    "not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them)";
const NAMES: &str = "a list of strings";
const REPORT: &str = "an object of backend names and integers";
const MSG_ID: &str = "an integer from 0 to 18446744073709551615";
pub const BACKEND: &str = "a string, the name of a backend";
pub const ANY: &str = "any JSON value";

type IsRight = fn(&RawValue) -> bool;
type AnyObject = HashMap<String, Box<RawValue>>;

/// The known keys of an envelope.
const ENVELOPE: [&str; 3] = ["src", "dest", "body"];

/// The known keys of a body, what their values must be, and a check of that.
const KEYS: [(&str, &str, IsRight); 10] = [
    ("type", TYPE, is::<String>),
    ("msg_id", MSG_ID, is::<u64>),
    ("in_reply_to", ANY, is::<IgnoredAny>),
    ("backends", NAMES, is::<Vec<String>>),
    ("algorithm", "a string", is::<String>),
    ("node_id", "a string", is::<String>),
    ("node_ids", NAMES, is::<Vec<String>>),
    ("active_connections", REPORT, is::<AnyObject>),
    ("backend", BACKEND, is::<String>),
    ("echo", ANY, is::<IgnoredAny>),
];

fn is<T: DeserializeOwned>(value: &RawValue) -> bool {
    serde_json::from_str::<T>(value.get()).is_ok()
}

/// Reads the object or list at the beginning of `json`, which is on this line of the input. Returns the message, unless
/// it is a reply, and the length in `json`. An error means that the JSON is wrong, or goes on after `json`.
pub fn read(json: &str, line: u64) -> serde_json::Result<(Option<Message<'_>>, usize)> {
    if let Some(read) = read_right(json) {
        return Ok(read);
    }
    let (value, length) = first::<&RawValue>(json)?;
    let refused = |reason: &str| {
        let refusal = Refusal::unreadable(line, reason, value.get());
        Some(Message::refused(None, None, refusal))
    };
    let message = match value.get() {
        list if list.starts_with('[') => refused(LIST),
        // An error means that a key is not Unicode.
        object => read_by_key(object).unwrap_or_else(|error| refused(&reason(&error))),
    };
    Ok((message, length))
}

/// Reads an object in which nothing is wrong. (Some bare bodies are left to [`read_by_key`].)
fn read_right(json: &str) -> Option<(Option<Message<'_>>, usize)> {
    // `serde` takes a list of values for an object.
    if json.trim_ascii_start().starts_with('[') {
        return None;
    }
    let (Envelope { src, dest, body }, length) = first(json).ok()?;
    match (src, dest, body) {
        (Some(src), Some(dest), Some(body)) => Some((message(Some((src, dest)), body), length)),
        (None, None, _) => {
            let (body, length) = first(json).ok()?;
            Some((message(None, body), length))
        }
        _ => None,
    }
}

/// The first value in `json`, and the length up to its end.
fn first<'a, T: Deserialize<'a>>(json: &'a str) -> serde_json::Result<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter();
    let value = values.next().expect("an object begins here");
    Ok((value?, values.byte_offset()))
}

/// The message with this body, unless that is a reply.
fn message<'a>(address: Address<'a>, body: Box<Body<'a>>) -> Option<Message<'a>> {
    let is_reply = body.in_reply_to.is_some() || is_type_of_reply(&body.kind);
    (!is_reply).then_some(Message {
        address,
        msg_id: body.msg_id,
        body: Ok(body),
    })
}

/// Any object: its keys, and its values as they are written.
type Object<'a> = Entries<'a, &'a RawValue>;

/// Reads an object in which something may be wrong.
fn read_by_key(json: &str) -> serde_json::Result<Option<Message<'_>>> {
    let object: Object = serde_json::from_str(json)?;
    let (Some(src), Some(dest)) = (object.get_as("src"), object.get_as("dest")) else {
        return Ok(match serde_json::from_str(json) {
            Ok(body) => message(None, body),
            Err(_) => object.refused(None, object.mistake()),
        });
    };
    let address = Some((src, dest));
    let refusal = match object.get("body").map(RawValue::get) {
        None => missing("body", BODY),
        Some(body) if body.starts_with('{') => {
            let body: Object = serde_json::from_str(body)?;
            let repeated = || ENVELOPE.into_iter().find_map(|key| object.repeated(key));
            return Ok(body.refused(address, body.mistake().or_else(repeated)));
        }
        Some(found) => unusable("body", BODY, found),
    };
    Ok(Some(Message::refused(address, None, refusal)))
}

impl<'a> Object<'a> {
    /// The message with this body, which has this mistake or no `type`; unless it is a reply.
    fn refused(&self, address: Address<'a>, mistake: Option<Refusal>) -> Option<Message<'a>> {
        let has = |key| self.0.iter().any(|(name, _)| name == key);
        let mut values = self.0.iter().filter(|(key, _)| key == "in_reply_to");
        let kind: Option<Str> = self.get_as("type");
        let is_reply = kind.as_deref().is_some_and(is_type_of_reply);
        if is_reply || values.any(|(_, value)| value.get() != "null") {
            return None;
        }
        debug_assert!(mistake.is_some() || kind.is_none());
        let refusal = mistake.unwrap_or_else(|| match address {
            None if ENVELOPE.into_iter().any(has) => Refusal::malformed(NEITHER),
            _ => missing("type", TYPE),
        });
        Some(Message::refused(address, self.get_as("msg_id"), refusal))
    }

    /// The first known key of a body that is wrong or repeated.
    fn mistake(&self) -> Option<Refusal> {
        for (key, wanted, is_right) in KEYS {
            if let Some(found) = self.get(key).filter(|found| !is_right(found)) {
                return Some(unusable(key, wanted, found.get()));
            }
        }
        let counts: Option<Self> = self.get_as("active_connections");
        let is_count = |value: &RawValue| {
            let count = serde_json::from_str(value.get());
            count.is_ok_and(|count: u64| count <= MAX_COUNT)
        };
        let mut counts = counts.iter().flat_map(|Entries(counts)| counts);
        if let Some((name, found)) = counts.find(|(_, value)| !is_count(value)) {
            let field = format!("active_connections of {}", quoted(name));
            let wanted = format!("an integer from 0 to {MAX_COUNT}");
            return Some(unusable(&field, &wanted, found.get()));
        }
        KEYS.into_iter().find_map(|(key, ..)| self.repeated(key))
    }

    /// The refusal of a key that is there twice, in the words of `serde`.
    fn repeated(&self, key: &str) -> Option<Refusal> {
        let times = self.0.iter().filter(|(name, _)| name == key).count();
        (times > 1).then(|| Refusal::malformed(format!("duplicate field `{key}`")))
    }

    /// The value of a key. Null counts as absent.
    fn get(&self, key: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rfind(|(name, _)| name == key)?;
        (value.get() != "null").then_some(value)
    }

    /// The value of a key, if it is a `T`.
    fn get_as<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }
}

/// The refusal of a message without a key that it needs.
pub fn missing(key: &str, wanted: &str) -> Refusal {
    Refusal::malformed(format!("missing \"{key}\": {wanted}"))
}

fn unusable(field: &str, wanted: &str, found: &str) -> Refusal {
    let found = shortened(found);
    Refusal::malformed(format!("{field} must be {wanted}, not {found}"))
}
