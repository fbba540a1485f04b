//! Mistakes: what is wrong with an object that `serde` refuses, and where the error reply goes.
//!
//! The object is read again, key by key. Of a repeated key, the last value holds.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::{Refusal, quoted, reason, shortened};
use crate::message::{Address, Entries, Envelope, IS_REPLY, MAX_COUNT, Message};

const TYPE: &str = r#"a string, such as "http_request""#;
const BODY: &str = r#"an object with a "type""#;
const NEITHER: &str =
    r#"neither an envelope (its "src" and "dest" are strings) nor a body (it has a "type")"#;
const NAMES: &str = "a list of strings";
const REPORT: &str = "an object of backend names and integers";
const COUNT: &str = "an integer from 0 to 9007199254740991";
const MSG_ID: &str = "an integer from 0 to 18446744073709551615";
pub const BACKEND: &str = "a string, the name of a backend";

type Check = fn(&RawValue) -> bool;
type AnyObject = HashMap<String, Box<RawValue>>;

/// The keys of a body whose values can be wrong, what these must be, and a check of that.
const KEYS: [(&str, &str, Check); 8] = [
    ("type", TYPE, is::<String>),
    ("msg_id", MSG_ID, is::<u64>),
    ("backends", NAMES, is::<Vec<String>>),
    ("algorithm", "a string", is::<String>),
    ("node_id", "a string", is::<String>),
    ("node_ids", NAMES, is::<Vec<String>>),
    ("active_connections", REPORT, is::<AnyObject>),
    ("backend", BACKEND, is::<String>),
];

fn is<T: DeserializeOwned>(value: &RawValue) -> bool {
    serde_json::from_str::<T>(value.get()).is_ok()
}

/// Explains why `serde` refuses an object, or why it gets no reply. A bare body with other keys may turn out to be right.
pub fn explain(object: &RawValue) -> Result<Message<'_>, String> {
    let json = object.get();
    let object = Object::parse(json)?;
    let (Some(src), Some(dest)) = (object.get_as("src"), object.get_as("dest")) else {
        return match serde_json::from_str(json) {
            Ok(body) => Message::new(None, body),
            Err(error) => object.explain_body(None, &error),
        };
    };
    let address = Some((src, dest));
    let refusal = match object.get("body").map(RawValue::get) {
        None => missing("body", BODY),
        Some(body) if body.starts_with('{') => {
            let error = serde_json::from_str::<Envelope>(json);
            let error = error.expect_err("`Message::read` returns what is right");
            return Object::parse(body)?.explain_body(address, &error);
        }
        Some(found) => unusable("body", BODY, found),
    };
    Ok(Message {
        address,
        msg_id: None,
        body: Err(refusal),
    })
}

type Object<'a> = Entries<'a, &'a RawValue>;

impl<'a> Object<'a> {
    /// An error means that a key is not Unicode.
    fn parse(object: &'a str) -> Result<Self, String> {
        serde_json::from_str(object).map_err(|error| reason(&error))
    }

    /// Explains why `serde` refuses this body, with this error.
    fn explain_body(
        &self,
        address: Address<'a>,
        error: &serde_json::Error,
    ) -> Result<Message<'a>, String> {
        let has = |key| self.0.iter().any(|(name, _)| name == key);
        let mut values = self.0.iter().filter(|(key, _)| key == "in_reply_to");
        if values.any(|(_, value)| value.get() != "null") {
            return Err(IS_REPLY.to_owned());
        }
        let refusal = if let Some(mistake) = self.mistake() {
            mistake
        } else if self.get("type").is_some() {
            // A key is repeated. If its first value is wrong, the reason quotes it.
            Refusal::Malformed(shortened(&reason(error)))
        } else if address.is_none() && (has("src") || has("dest") || has("body")) {
            Refusal::Malformed(NEITHER.to_owned())
        } else {
            missing("type", TYPE)
        };
        Ok(Message {
            address,
            msg_id: self.get_as("msg_id"),
            body: Err(refusal),
        })
    }

    /// The first value of a body that is not what it must be.
    fn mistake(&self) -> Option<Refusal> {
        for (key, wanted, is_right) in KEYS {
            if let Some(found) = self.get(key).filter(|found| !is_right(found)) {
                return Some(unusable(key, wanted, found.get()));
            }
        }
        let Entries(counts) = self.get_as::<Self>("active_connections")?;
        let is_count = |value: &RawValue| {
            let count = serde_json::from_str(value.get());
            count.is_ok_and(|count: u64| count <= MAX_COUNT)
        };
        let (name, found) = counts.into_iter().find(|(_, value)| !is_count(value))?;
        let field = format!("active_connections of {}", quoted(&name));
        Some(unusable(&field, COUNT, found.get()))
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
    Refusal::Malformed(format!("missing \"{key}\": {wanted}"))
}

fn unusable(field: &str, wanted: &str, found: &str) -> Refusal {
    let found = shortened(found);
    Refusal::Malformed(format!("{field} must be {wanted}, not {found}"))
}
