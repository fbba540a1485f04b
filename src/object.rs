//! Objects: the keys of one, in order, with their values as they are written; and how a field is read.
//!
//! A field is read where it is used: the call names its key, its type and the words for what its value must be.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Refusal, shortened};

/// A string, borrowed if it has no escapes. (A `Cow` alone is never borrowed in an `Option` or a `Vec`.)
#[derive(PartialEq, Deserialize)]
pub struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl AsRef<str> for Str<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The keys of an object, in order, with their values. A key may repeat.
pub struct Entries<'a, V>(pub Vec<(Cow<'a, str>, V)>);

/// Any object. Its values are as they are written.
pub type Object<'a> = Entries<'a, &'a RawValue>;

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Entries<'a, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Self(Vec::new()))
    }
}

/// Collects the entries in itself.
impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for Entries<'a, V> {
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

impl<'a> Object<'a> {
    pub const EMPTY: Self = Self(Vec::new());

    /// The JSON of a key that must be there. It may be null.
    pub fn written(&self, key: &str, wanted: &str) -> Result<&'a RawValue, Refusal> {
        self.only(key)?.ok_or_else(|| missing(key, wanted))
    }

    /// The value of a key that may be there. Null counts as absent.
    pub fn optional<T: Deserialize<'a>>(
        &self,
        key: &str,
        wanted: &str,
    ) -> Result<Option<T>, Refusal> {
        let value = self.only(key)?.map_or("null", RawValue::get);
        if value == "null" {
            return Ok(None);
        }
        let read = serde_json::from_str(value);
        read.map_err(|_| unusable(key, wanted, value))
    }

    /// The value of a key that must be there. Null counts as absent.
    pub fn required<T: Deserialize<'a>>(&self, key: &str, wanted: &str) -> Result<T, Refusal> {
        let value = self.optional(key, wanted)?;
        value.ok_or_else(|| missing(key, wanted))
    }

    /// Whether a key has a value other than null.
    pub fn has(&self, key: &str) -> bool {
        self.values(key).any(|value| value.get() != "null")
    }

    /// The last value of a key, if it is a `T`.
    pub fn last<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        let value = self.values(key).last()?;
        serde_json::from_str(value.get()).ok()
    }

    /// The value of a key, which must not repeat.
    fn only(&self, key: &str) -> Result<Option<&'a RawValue>, Refusal> {
        let mut values = self.values(key);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            // The words of `serde`.
            _ => Err(Refusal::malformed(format!("duplicate field `{key}`"))),
        }
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &'a RawValue> {
        let entries = self.0.iter().filter(move |(name, _)| name == key);
        entries.map(|(_, value)| *value)
    }
}

fn missing(key: &str, wanted: &str) -> Refusal {
    Refusal::malformed(format!("missing \"{key}\": {wanted}"))
}

/// The refusal of a value that is not what is wanted.
pub fn unusable(field: &str, wanted: &str, found: &str) -> Refusal {
    let found = shortened(found);
    Refusal::malformed(format!("{field} must be {wanted}, not {found}"))
}
