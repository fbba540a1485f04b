//! Messages: the keys of an envelope and of a body, and the types of their values.
//!
//! What `serde` makes of an object as an envelope, or else as a bare body, is the message. [`mistake`] looks closer at
//! what it refuses.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::mistake;

/// The types of request.
pub const TYPES: &str = "init, http_request, request_complete, drain, resume, stats and echo";

/// The highest count in a report: 2^53 - 1, the largest integer that every JSON parser keeps exact.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

/// Why a reply gets no reply. (Two nodes that answer each other might never end.)
pub const IS_REPLY: &str = "not answered: it is a reply itself (it has in_reply_to)";

/// The `src` and `dest` of a message. A bare body has none, and gets a bare reply.
pub type Address<'a> = Option<(Str<'a>, Str<'a>)>;

/// A message: what is asked for, and where the reply goes.
pub struct Message<'a> {
    pub address: Address<'a>,
    /// Comes back as `in_reply_to`.
    pub msg_id: Option<u64>,
    /// What is asked for, or why it is refused.
    pub body: Result<Box<Body<'a>>, Refusal>,
}

/// The known keys of an envelope.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow)]
    src: Option<Str<'a>>,
    #[serde(borrow)]
    dest: Option<Str<'a>>,
    /// In a box, because `serde_json` moves it several times.
    #[serde(borrow)]
    body: Option<Box<Body<'a>>>,
}

/// The known keys of a body, whichever of them its type uses.
#[derive(Debug, Deserialize)]
pub struct Body<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Str<'a>,
    msg_id: Option<u64>,
    in_reply_to: Option<IgnoredAny>,
    #[serde(borrow)]
    pub backends: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    pub algorithm: Option<Str<'a>>,
    #[serde(borrow)]
    pub node_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub node_ids: Option<Vec<Str<'a>>>,
    #[serde(borrow, default, deserialize_with = "report")]
    pub active_connections: Option<Entries<'a, u64>>,
    #[serde(borrow)]
    pub backend: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "any_value")]
    pub echo: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads the object at the beginning of `json`, and returns its length, too. The inner error says why the object gets
    /// no reply, the outer one why there is no whole object.
    pub fn read(json: &'a str) -> serde_json::Result<(Result<Self, String>, usize)> {
        if let Ok((Envelope { src, dest, body }, length)) = first(json) {
            match (src, dest, body) {
                (Some(src), Some(dest), Some(body)) => {
                    return Ok((Self::new(Some((src, dest)), body), length));
                }
                (None, None, _) => {
                    if let Ok((body, length)) = first(json) {
                        return Ok((Self::new(None, body), length));
                    }
                }
                _ => {}
            }
        }
        let (object, length) = first::<&RawValue>(json)?;
        Ok((mistake::explain(object), length))
    }

    /// The message with this body, unless that is a reply.
    pub fn new(address: Address<'a>, body: Box<Body<'a>>) -> Result<Self, String> {
        if body.in_reply_to.is_some() {
            return Err(IS_REPLY.to_owned());
        }
        Ok(Self {
            address,
            msg_id: body.msg_id,
            body: Ok(body),
        })
    }
}

/// Whether a line is by itself an envelope with nothing wrong in it.
pub fn is_envelope(line: &str) -> bool {
    let read = serde_json::from_str(line);
    read.is_ok_and(|Envelope { src, dest, body }| src.is_some() && dest.is_some() && body.is_some())
}

/// The first value in `json`, and its length.
fn first<'a, T: Deserialize<'a>>(json: &'a str) -> serde_json::Result<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter();
    let value = values.next().expect("an object begins here");
    Ok((value?, values.byte_offset()))
}

/// A string, borrowed if it has no escapes. (A newtype, because `borrow` does not reach into an `Option` or a `Vec`.)
#[derive(Debug, Deserialize)]
pub struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The keys and values of an object, in their order. A key may be there twice.
#[derive(Debug)]
pub struct Entries<'a, V>(pub Vec<(Cow<'a, str>, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<'de, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<'de, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Str(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

fn report<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Entries<'de, u64>>, D::Error> {
    let report: Option<Entries<u64>> = Deserialize::deserialize(deserializer)?;
    match &report {
        Some(Entries(counts)) if counts.iter().any(|(_, count)| *count > MAX_COUNT) => {
            Err(D::Error::custom("a count is too high"))
        }
        _ => Ok(report),
    }
}

/// Any JSON value: unlike elsewhere, null does not count as absent.
fn any_value<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}
