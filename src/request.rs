//! The JSON of messages: whom to answer, and what is asked for.
//!
//! What may stand under a key depends on the message's type, and the type may come after the keys that it decides
//! about. So a message is read level by level: first all known keys of an object are found, with their values as they
//! were written, and then each type reads the keys that it uses. Nothing is looked into that nobody asks for, which is
//! also why an `echo` comes back digit for digit.
//!
//! The two requests that there are many of take a [shortcut](Frequent) past that as long as nothing is wrong with them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Refusal, excerpt, quoted};
use crate::least_connections::named_twice;

/// The largest count that a caller may report: 2^53 - 1, the largest integer that every JSON reader keeps exact.
const MAX_COUNT: u64 = (1 << 53) - 1;

// What would be right for a field, as error texts say it.
const ADDRESS: &str = "text, the name of a node";
const ALGORITHM: &str = "text, \"least-connections\"";
const BACKEND: &str = "text, the name of a backend";
const BODY: &str = "an object with a type";
const COUNT: &str = "an integer from 0 to 9007199254740991";
const COUNTS: &str = "an object of backend names and integers";
const ECHO: &str = "any JSON value";
const MSG_ID: &str = "an integer from 0 to 18446744073709551615";
const NAME: &str = "text";
const NAMES: &str = "a list of names";
const TYPE: &str = "text, the name of a message type";

/// A message: whom to answer, and what is asked for.
#[derive(Debug)]
pub struct Message<'a> {
    /// `None` for a bare body, which gets a bare reply.
    pub address: Option<Address<'a>>,
    /// `None` where there is none, or none that can be read.
    pub msg_id: Option<u64>,
    /// What is asked for, or why that cannot be made out.
    pub request: Result<Request<'a>, Refusal>,
}

/// Where a message came from, and where it was sent.
#[derive(Debug)]
pub struct Address<'a> {
    pub src: Cow<'a, str>,
    pub dest: Cow<'a, str>,
}

/// What a body asks for, by its `type`. The fields are called what they are called there.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "these are the types' names")]
pub enum Request<'a> {
    /// Set the pool up anew.
    Init {
        backends: Option<Vec<Cow<'a, str>>>,
        algorithm: Option<Cow<'a, str>>,
        node_id: Option<Cow<'a, str>>,
        node_ids: Option<Vec<Cow<'a, str>>>,
    },
    /// Route one request.
    HttpRequest {
        algorithm: Option<Cow<'a, str>>,
        active_connections: Option<Counts<'a>>,
    },
    /// A request that was routed to `backend` has ended.
    RequestComplete { backend: Cow<'a, str> },
    /// Tell all counters.
    Stats,
    /// Say the same again.
    Echo { echo: &'a RawValue },
}

/// Names and counts as they were reported, in their order. A name may still stand there twice.
pub type Counts<'a> = Vec<(Cow<'a, str>, u64)>;

/// Why a text gets no answer.
#[derive(Debug)]
pub enum Unanswerable {
    /// It is not one JSON object.
    NotAnObject,
    /// It has neither an address nor a `type`.
    NoAddress,
    /// `src` or `dest` is not what it must be.
    BadAddress(Refusal),
    /// It is itself a reply, and answering those might never end.
    Reply,
}

impl fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("a message is one JSON object"),
            Self::NoAddress => f.write_str(
                "it has neither src and dest, as an envelope does, nor a type, as a bare body does",
            ),
            Self::BadAddress(refusal) => write!(f, "it has no address for a reply: {refusal}"),
            Self::Reply => f.write_str("it is itself a reply: its body has in_reply_to"),
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a text that should be one JSON object.
    ///
    /// # Errors
    ///
    /// Why it cannot, or must not, be answered. Where only what it asks for is wrong, that is for its `request` to
    /// say.
    pub fn read(text: &'a str) -> Result<Self, Unanswerable> {
        match Frequent::read(text) {
            Some(message) => Ok(message),
            None => Self::read_by_level(text),
        }
    }

    fn read_by_level(text: &'a str) -> Result<Self, Unanswerable> {
        let object = Fields::of(text).ok_or(Unanswerable::NotAnObject)?;
        if !object.src.is_given() && !object.dest.is_given() {
            if object.kind.is_absent() {
                return Err(Unanswerable::NoAddress);
            }
            let (msg_id, request) = object.read_body()?;
            return Ok(Self {
                address: None,
                msg_id,
                request,
            });
        }
        let address = object.address().map_err(Unanswerable::BadAddress)?;
        let body = required("body", BODY, object.body, |raw| Fields::of(raw.get()));
        let (msg_id, request) = match body {
            Ok(body) => body.read_body()?,
            Err(refusal) => (None, Err(refusal)),
        };
        Ok(Self {
            address: Some(address),
            msg_id,
            request,
        })
    }
}

/// Whether a text is by itself one envelope: an object with text for `src` and `dest`, and a `body`.
pub fn is_envelope(text: &str) -> bool {
    Fields::of(text).is_some_and(|object| object.address().is_ok() && !object.body.is_absent())
}

/// What stands under one key of an object, as it was written.
#[derive(Debug, Clone, Copy, Default)]
enum Field<'a> {
    #[default]
    Absent,
    Once(&'a RawValue),
    /// That is wrong where the key is used, and nothing elsewhere.
    Twice,
}

impl<'a> Field<'a> {
    fn put(&mut self, value: &'a RawValue) {
        *self = match self {
            Self::Absent => Self::Once(value),
            Self::Once(_) | Self::Twice => Self::Twice,
        };
    }

    fn is_absent(self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether anything but null stands there.
    fn is_given(self) -> bool {
        match self {
            Self::Absent => false,
            Self::Once(value) => !is_null(value),
            Self::Twice => true,
        }
    }
}

/// All keys that an envelope or a body can have and anybody uses.
#[derive(Debug, Default)]
struct Fields<'a> {
    src: Field<'a>,
    dest: Field<'a>,
    body: Field<'a>,
    kind: Field<'a>,
    msg_id: Field<'a>,
    in_reply_to: Field<'a>,
    backends: Field<'a>,
    algorithm: Field<'a>,
    node_id: Field<'a>,
    node_ids: Field<'a>,
    active_connections: Field<'a>,
    backend: Field<'a>,
    echo: Field<'a>,
}

impl<'a> Fields<'a> {
    /// The fields of an object, `None` of anything else.
    fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn named(&mut self, key: &str) -> Option<&mut Field<'a>> {
        Some(match key {
            "src" => &mut self.src,
            "dest" => &mut self.dest,
            "body" => &mut self.body,
            "type" => &mut self.kind,
            "msg_id" => &mut self.msg_id,
            "in_reply_to" => &mut self.in_reply_to,
            "backends" => &mut self.backends,
            "algorithm" => &mut self.algorithm,
            "node_id" => &mut self.node_id,
            "node_ids" => &mut self.node_ids,
            "active_connections" => &mut self.active_connections,
            "backend" => &mut self.backend,
            "echo" => &mut self.echo,
            _ => return None,
        })
    }

    fn address(&self) -> Result<Address<'a>, Refusal> {
        Ok(Address {
            src: required("src", ADDRESS, self.src, text)?,
            dest: required("dest", ADDRESS, self.dest, text)?,
        })
    }

    /// What the fields of a body say: its `msg_id`, where that can be read, and what it asks for.
    fn read_body(&self) -> Result<(Option<u64>, Result<Request<'a>, Refusal>), Unanswerable> {
        if self.in_reply_to.is_given() {
            return Err(Unanswerable::Reply);
        }
        Ok(match optional("msg_id", MSG_ID, self.msg_id, msg_id) {
            Ok(msg_id) => (msg_id, self.request()),
            Err(refusal) => (None, Err(refusal)),
        })
    }

    fn request(&self) -> Result<Request<'a>, Refusal> {
        Ok(match &*required("type", TYPE, self.kind, text)? {
            "init" => Request::Init {
                backends: names("backends", self.backends)?,
                algorithm: optional("algorithm", ALGORITHM, self.algorithm, text)?,
                node_id: optional("node_id", NAME, self.node_id, text)?,
                node_ids: names("node_ids", self.node_ids)?,
            },
            "http_request" => Request::HttpRequest {
                algorithm: optional("algorithm", ALGORITHM, self.algorithm, text)?,
                active_connections: counts("active_connections", self.active_connections)?,
            },
            "request_complete" => Request::RequestComplete {
                backend: required("backend", BACKEND, self.backend, text)?,
            },
            "stats" => Request::Stats,
            "echo" => Request::Echo {
                echo: required("echo", ECHO, self.echo, Some)?,
            },
            unknown => return Err(Refusal::UnknownType(unknown.to_owned())),
        })
    }
}

/// The value of a field that need not be there, and is as if it were not where it is null.
fn optional<'a, T>(
    field: &'static str,
    wanted: &'static str,
    value: Field<'a>,
    read: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    if value.is_given() {
        required(field, wanted, value, read).map(Some)
    } else {
        Ok(None)
    }
}

/// The value of a field that must be there.
fn required<'a, T>(
    field: &'static str,
    wanted: &'static str,
    value: Field<'a>,
    read: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<T, Refusal> {
    match value {
        Field::Absent => Err(Refusal::Missing { field, wanted }),
        Field::Once(raw) => read(raw).ok_or_else(|| unusable(field, wanted, raw)),
        Field::Twice => Err(Refusal::GivenTwice(field)),
    }
}

/// A list of names, none of which stands there twice.
fn names<'a>(field: &'static str, value: Field<'a>) -> Result<Option<Vec<Cow<'a, str>>>, Refusal> {
    let list = |raw: &'a RawValue| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok();
    let Some(list) = optional(field, NAMES, value, list)? else {
        return Ok(None);
    };
    let names = list.into_iter().enumerate().map(|(index, raw)| {
        text(raw).ok_or_else(|| unusable(format!("entry {} of {field}", index + 1), NAME, raw))
    });
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    match named_twice(&names) {
        Some(name) => Err(Refusal::NamedTwice {
            field,
            name: name.to_owned(),
        }),
        None => Ok(Some(names)),
    }
}

fn counts<'a>(field: &'static str, value: Field<'a>) -> Result<Option<Counts<'a>>, Refusal> {
    let entries = |raw: &'a RawValue| serde_json::from_str::<Entries>(raw.get()).ok();
    let Some(Entries(entries)) = optional(field, COUNTS, value, entries)? else {
        return Ok(None);
    };
    let counts = entries.into_iter().map(|(key, value)| {
        let name = text(key).ok_or_else(|| unusable(format!("a name in {field}"), NAME, key))?;
        match serde_json::from_str(value.get()) {
            Ok(Count(count)) => Ok((name, count)),
            Err(_) => Err(unusable(
                format!("{field} of {}", quoted(&name)),
                COUNT,
                value,
            )),
        }
    });
    counts.collect::<Result<_, _>>().map(Some)
}

fn msg_id(raw: &RawValue) -> Option<u64> {
    serde_json::from_str(raw.get()).ok()
}

/// The text that a value is. JSON has texts that are none: those with half of a surrogate pair.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

fn unusable(field: impl Into<String>, wanted: &'static str, found: &RawValue) -> Refusal {
    Refusal::Unusable {
        field: field.into(),
        wanted,
        found: excerpt(found.get().as_bytes()),
    }
}

/// A text that borrows what it can.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A count that a caller may report.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u64")]
struct Count(u64);

impl TryFrom<u64> for Count {
    type Error = &'static str;

    fn try_from(count: u64) -> Result<Self, Self::Error> {
        if count > MAX_COUNT {
            return Err("larger than 2^53 - 1");
        }
        Ok(Self(count))
    }
}

/// The entries of an object as they were written, in their order, also where a key stands there twice.
#[derive(Debug)]
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

/// The entries of an object of names and counts.
#[derive(Debug)]
struct NamedCounts<'a>(Counts<'a>);

/// An object for a struct. (What derives `Deserialize` takes a list, too.)
#[derive(Debug)]
struct Object<T>(T);

/// An envelope with one of the two requests that there are many of, and nothing wrong in it. It is read in one pass,
/// with the counts that it reports. That is all the difference: what this does not take, or not like that, is read
/// level by level, and what it does take would be read to the same effect.
#[derive(Debug, Deserialize)]
struct Frequent<'a> {
    #[serde(borrow)]
    src: Text<'a>,
    #[serde(borrow)]
    dest: Text<'a>,
    #[serde(borrow)]
    body: Object<FrequentBody<'a>>,
}

#[derive(Debug, Deserialize)]
struct FrequentBody<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    msg_id: Option<u64>,
    in_reply_to: Option<IgnoredAny>,
    #[serde(borrow)]
    algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    active_connections: Option<NamedCounts<'a>>,
    #[serde(borrow)]
    backend: Option<Text<'a>>,
}

impl<'a> Frequent<'a> {
    fn read(text: &'a str) -> Option<Message<'a>> {
        let Object(Self {
            src,
            dest,
            body: Object(body),
        }) = serde_json::from_str(text).ok()?;
        let request = match &*body.kind.0 {
            _ if body.in_reply_to.is_some() => return None,
            "http_request" => Request::HttpRequest {
                algorithm: body.algorithm.map(|Text(algorithm)| algorithm),
                active_connections: body.active_connections.map(|NamedCounts(counts)| counts),
            },
            "request_complete" => Request::RequestComplete {
                backend: body.backend?.0,
            },
            _ => return None,
        };
        Some(Message {
            address: Some(Address {
                src: src.0,
                dest: dest.0,
            }),
            msg_id: body.msg_id,
            request: Ok(request),
        })
    }
}

/// What is read from an object entry by entry.
trait FromEntries<'de>: Sized {
    fn from_entries<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;
}

impl<'de> FromEntries<'de> for Fields<'de> {
    fn from_entries<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut fields = Self::default();
        while let Some((key, value)) = map.next_entry()? {
            if let Some(field) = text(key).and_then(|key| fields.named(&key)) {
                field.put(value);
            }
        }
        Ok(fields)
    }
}

impl<'de> FromEntries<'de> for Entries<'de> {
    fn from_entries<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Self(entries))
    }
}

impl<'de> FromEntries<'de> for NamedCounts<'de> {
    fn from_entries<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut counts = Vec::new();
        while let Some((Text(name), Count(count))) = map.next_entry()? {
            counts.push((name, count));
        }
        Ok(Self(counts))
    }
}

impl<'de, T: Deserialize<'de>> FromEntries<'de> for Object<T> {
    fn from_entries<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Self)
    }
}

struct ByEntry<T>(PhantomData<T>);

impl<'de, T: FromEntries<'de>> Visitor<'de> for ByEntry<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_entries(map)
    }
}

fn by_entry<'de, T: FromEntries<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_map(ByEntry(PhantomData))
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        by_entry(from)
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        by_entry(from)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for NamedCounts<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        by_entry::<NamedCounts<'de>, D>(from)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        by_entry(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the shortcut takes is read to the same effect without it.
    #[track_caller]
    fn assert_same_by_level(text: &str) -> bool {
        let Some(message) = Frequent::read(text) else {
            return false;
        };
        let by_level = Message::read_by_level(text);
        assert_eq!(
            format!("{message:?}"),
            format!("{:?}", by_level.unwrap()),
            "{text}"
        );
        true
    }

    const FREQUENT: &[&str] = &[
        r#"{"src":"c","dest":"n","body":{"type":"http_request","msg_id":1,"method":"GET","path":"/"}}"#,
        r#"{"src":"\u0063","d\u0065st":"é","body":{"type":"http_request","active_connections":{"a":0,"\u0061":1}}}"#,
        r#"{"src":"c","dest":"n","body":{"active_connections":{},"algorithm":"x","type":"http_request"}}"#,
        r#"{"src":"c","dest":"n","id":0,"body":{"type":"request_complete","msg_id":null,"backend":"a"}}"#,
        r#"{"src":"c","dest":"n","body":{"type":"http_request","algorithm":null,"in_reply_to":null,"active_connections":null}}"#,
    ];

    #[test]
    fn the_shortcut_takes_sound_requests_and_reads_what_is_read_without_it() {
        for text in FREQUENT {
            assert!(assert_same_by_level(text), "{text}");
        }
    }

    #[test]
    fn the_shortcut_takes_a_spoiled_request_only_where_it_reads_what_is_read_without_it() {
        for text in FREQUENT {
            for at in (0..text.len()).filter(|&at| text.is_char_boundary(at)) {
                let (before, after) = text.split_at(at);
                for middle in [
                    "0",
                    "\"",
                    "\\",
                    "[",
                    "{",
                    "null,",
                    "\"a\":1,",
                    "\"type\":1,",
                    "-",
                    "e1",
                    " ",
                ] {
                    assert_same_by_level(&format!("{before}{middle}{after}"));
                }
                let mut shorter = after.chars();
                shorter.next();
                assert_same_by_level(&format!("{before}{}", shorter.as_str()));
            }
        }
    }

    #[test]
    fn the_shortcut_takes_no_list_for_an_object() {
        for text in [
            r#"["c","n",{"type":"http_request"}]"#,
            r#"{"src":"c","dest":"n","body":["http_request",1,null,null,null,null]}"#,
        ] {
            assert!(!assert_same_by_level(text), "{text}");
        }
    }
}
