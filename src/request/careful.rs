//! The careful reader: the rules for what is missing, repeated, or of the wrong type.
//!
//! It reads an object as a list of keys and values as they were written, and looks into a value only if the message's
//! type uses its key. So a key that is not used may hold anything and be there twice, and each error names its field
//! and quotes its value.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Pairs;
use super::{Action, Address, Message, Request, Unanswerable};
use crate::error::{Refusal, quoted};
use crate::least_connections::Count;

/// Reads an object.
///
/// # Errors
///
/// Why it cannot, or must not, be answered. Whatever else is wrong with it is in its `request`.
pub fn read(object: &str) -> Result<Message<'_, Cow<'_, str>>, Unanswerable> {
    let object = RawObject::read(object).ok_or(Unanswerable::NoType)?;
    if !object.has_value("src") && !object.has_value("dest") {
        return match (object.has_key("type"), object.has_value("body")) {
            (true, _) => object.message(None),
            (false, true) => Err(Unanswerable::NoAddress),
            (false, false) => Err(Unanswerable::NoType),
        };
    }
    let address = Some(object.address()?);
    match object.body() {
        Ok(body) => body.message(address),
        Err(refusal) => Ok(Message {
            address,
            msg_id: None,
            request: Err(refusal),
        }),
    }
}

/// Whether a line is by itself a whole envelope: an object with strings for `src` and `dest`, and a `body`.
pub fn is_envelope(line: &str) -> bool {
    RawObject::read(line).is_some_and(|object| object.address().is_ok() && object.has_key("body"))
}

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys and values of an object, as they were written. (A key can be a string that is not Unicode.)
struct RawObject<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> RawObject<'a> {
    fn read(json: &'a str) -> Option<Self> {
        let Pairs(pairs) = serde_json::from_str(json).ok()?;
        Some(Self(pairs))
    }

    /// The value of one key. A repeated key is an error, but only if the key is used.
    fn get(&self, key: &'static str) -> Result<Option<&'a RawValue>, Refusal> {
        let pairs = self.0.iter();
        let mut pairs = pairs.filter(|(name, _)| parse(name).is_some_and(|Str(name)| name == key));
        match (pairs.next(), pairs.next()) {
            (pair, None) => Ok(pair.map(|(_, value)| *value)),
            (_, Some(_)) => Err(Refusal::DuplicateKey(key)),
        }
    }

    /// Whether a key is there.
    fn has_key(&self, key: &'static str) -> bool {
        !matches!(self.get(key), Ok(None))
    }

    /// Whether a key is there, and has a value other than null.
    fn has_value(&self, key: &'static str) -> bool {
        !matches!(self.optional(key, Ok), Ok(None))
    }

    /// The value of an optional key. Null counts as absent.
    fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        let value = self.get(key)?.filter(|value| value.get() != "null");
        value.map(read).transpose()
    }

    /// The value of a required key.
    fn required<T>(
        &self,
        key: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&'a RawValue) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match self.get(key)? {
            Some(value) => read(value),
            None => Err(Refusal::Missing { key, wanted }),
        }
    }

    fn address(&self) -> Result<Address<Cow<'a, str>>, Unanswerable> {
        let name = |key| match self.optional_string(key) {
            Ok(Some(name)) => Ok(name),
            Ok(None) => Err(Unanswerable::Missing(key)),
            Err(refusal) => Err(Unanswerable::BadAddress(refusal)),
        };
        Ok(Address {
            src: name("src")?,
            dest: name("dest")?,
        })
    }

    fn body(&self) -> Result<Self, Refusal> {
        const WANTED: &str = r#"an object with a "type""#;
        self.required("body", WANTED, |body| {
            Self::read(body.get()).ok_or_else(|| Refusal::unusable("\"body\"", WANTED, body))
        })
    }

    /// The message with this body.
    fn message(
        &self,
        address: Option<Address<Cow<'a, str>>>,
    ) -> Result<Message<'a, Cow<'a, str>>, Unanswerable> {
        if self.has_value("in_reply_to") {
            return Err(Unanswerable::Reply);
        }
        let (msg_id, request) = match self.optional("msg_id", msg_id) {
            Ok(msg_id) => (msg_id, self.request()),
            Err(refusal) => (None, Err(refusal)),
        };
        Ok(Message {
            address,
            msg_id,
            request,
        })
    }

    fn request(&self) -> Result<Request<'a, Cow<'a, str>>, Refusal> {
        let required_string = |key, wanted| self.required(key, wanted, |value| string(key, value));
        let kind = required_string("type", r#"a string, such as "http_request""#)?;
        let of_backend = |action| {
            let backend = required_string("backend", "a string, the name of a backend")?;
            Ok(Request::OfBackend { action, backend })
        };
        Ok(match &*kind {
            "init" => Request::Init {
                backends: self.list_of_names("backends")?,
                algorithm: self.optional_string("algorithm")?,
                node_id: self.optional_string("node_id")?,
                node_ids: self.list_of_names("node_ids")?,
            },
            "http_request" => Request::HttpRequest {
                algorithm: self.optional_string("algorithm")?,
                active_connections: self.optional("active_connections", report)?,
            },
            "request_complete" => of_backend(Action::RequestComplete)?,
            "drain" => of_backend(Action::Drain)?,
            "resume" => of_backend(Action::Resume)?,
            "stats" => Request::Stats,
            "echo" => Request::Echo {
                echo: self.required("echo", "any JSON value", Ok)?,
            },
            unknown => return Err(Refusal::UnknownType(unknown.to_owned())),
        })
    }

    fn optional_string(&self, key: &'static str) -> Result<Option<Cow<'a, str>>, Refusal> {
        self.optional(key, |value| string(key, value))
    }

    fn list_of_names(&self, key: &'static str) -> Result<Option<Vec<Cow<'a, str>>>, Refusal> {
        self.optional(key, |list| {
            let names: Vec<Str> = parse(list).ok_or_else(|| wrong_list(key, list))?;
            Ok(names.into_iter().map(|Str(name)| name).collect())
        })
    }
}

fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

fn string<'a>(key: &str, value: &'a RawValue) -> Result<Cow<'a, str>, Refusal> {
    let string = parse(value).map(|Str(string)| string);
    string.ok_or_else(|| Refusal::not_a_string(format!("\"{key}\""), value))
}

fn msg_id(value: &RawValue) -> Result<u64, Refusal> {
    const WANTED: &str = "an integer from 0 to 18446744073709551615";
    parse(value).ok_or_else(|| Refusal::unusable("msg_id", WANTED, value))
}

/// The error for a value that is not a list of strings. It names the first wrong entry.
fn wrong_list(field: &str, list: &RawValue) -> Refusal {
    let entries: Vec<&RawValue> = parse(list).unwrap_or_default();
    let mut entries = entries.into_iter().enumerate();
    match entries.find(|(_, entry)| parse::<Str>(entry).is_none()) {
        Some((index, entry)) => Refusal::not_a_string(format!("{field}[{index}]"), entry),
        None => Refusal::unusable(field, "a list of strings", list),
    }
}

fn report(value: &RawValue) -> Result<Vec<(Cow<'_, str>, Count)>, Refusal> {
    let Pairs(counts) = parse(value).ok_or_else(|| wrong_report(value))?;
    let counts = counts.into_iter();
    Ok(counts.map(|(Str(name), count)| (name, count)).collect())
}

/// The error for a value that is not a report. It names the first wrong entry.
fn wrong_report(report: &RawValue) -> Refusal {
    let entries = parse(report).map_or_else(Vec::new, |Pairs(entries)| entries);
    for (key, value) in entries {
        let Some(Str(name)) = parse(key) else {
            return Refusal::not_a_string("a key of active_connections", key);
        };
        if parse::<Count>(value).is_none() {
            let field = format!("active_connections of {}", quoted(&name));
            return Refusal::unusable(field, "an integer from 0 to 9007199254740991", value);
        }
    }
    let wanted = "an object of backend names and integers";
    Refusal::unusable("active_connections", wanted, report)
}
