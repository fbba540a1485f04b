//! Messages: the keys of an envelope and of a body, and the types of their values.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Refusal;

/// The highest count in a report: 2^53 - 1, the largest integer that every JSON parser keeps exact.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

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

impl<'a> Message<'a> {
    /// A message to be refused. What cannot be read is one without an address and a `msg_id`.
    pub fn refused(address: Address<'a>, msg_id: Option<u64>, refusal: Refusal) -> Self {
        Self {
            address,
            msg_id,
            body: Err(refusal),
        }
    }
}

/// The known keys of an envelope.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))] // Strings are borrowed from the input.
pub struct Envelope<'a> {
    pub src: Option<Str<'a>>,
    pub dest: Option<Str<'a>>,
    /// In a box, because `serde_json` moves it several times.
    pub body: Option<Box<Body<'a>>>,
}

/// The known keys of a body, whichever of them its type uses.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Body<'a> {
    #[serde(rename = "type")]
    pub kind: Str<'a>,
    pub msg_id: Option<u64>,
    pub in_reply_to: Option<IgnoredAny>,
    pub backends: Option<Vec<Str<'a>>>,
    pub algorithm: Option<Str<'a>>,
    pub node_id: Option<Str<'a>>,
    pub node_ids: Option<Vec<Str<'a>>>,
    #[serde(default, deserialize_with = "counts")]
    pub active_connections: Option<Entries<'a, u64>>,
    pub backend: Option<Str<'a>>,
    #[serde(default, deserialize_with = "any_value")]
    pub echo: Option<&'a RawValue>,
}

/// Whether only replies have this type, those of this program or of another. (Nodes that answer replies never stop.)
pub fn is_type_of_reply(kind: &str) -> bool {
    matches!(kind, "error" | "http_response") || kind.ends_with("_ok")
}

/// A string, borrowed if it has no escapes. (A `Cow` alone is never borrowed in an `Option` or a `Vec`.)
#[derive(Deserialize)]
pub struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The keys and values of an object, in their order. A key may be there twice.
pub struct Entries<'a, V>(pub Vec<(Cow<'a, str>, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<'de, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Self(Vec::new()))
    }
}

/// Collects the entries in itself.
impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<'de, V> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((Str(key), value)) = map.next_entry()? {
            self.0.push((key, value));
        }
        Ok(self)
    }
}

fn counts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Entries<'de, u64>>, D::Error> {
    let counts: Option<Entries<u64>> = Deserialize::deserialize(from)?;
    let mut entries = counts.iter().flat_map(|counts| &counts.0);
    if entries.any(|(_, count)| *count > MAX_COUNT) {
        return Err(D::Error::custom("a count is too high"));
    }
    Ok(counts)
}

/// Any JSON value: unlike elsewhere, null does not count as absent.
fn any_value<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}
