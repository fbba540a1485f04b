//! Replies: their keys, in the order in which they are written, and their spacing.
//!
//! Keys are constants, written with what surrounds them. Values go through `serde_json`.

use std::io::{self, Write};
use std::str;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::least_connections::Backend;
use crate::message::{Address, is_type_of_reply};
use crate::object::Str;

/// The body of a reply, with all the keys that one can have.
#[derive(Default)]
pub struct Reply<'a> {
    pub kind: &'static str,
    pub status: Option<u16>,
    pub backend: Option<Str<'a>>,
    /// The backends whose active connections are listed.
    pub active_connections: Option<&'a [Backend]>,
    /// The backends whose counters are listed.
    pub backends: Option<&'a [Backend]>,
    pub echo: Option<&'a RawValue>,
    pub code: Option<u16>,
    pub text: Option<String>,
}

/// Writes the reply to a message: an envelope to its sender, or a bare body if it has no address.
pub fn write(
    to: &mut Vec<u8>,
    address: &Address,
    in_reply_to: Option<u64>,
    answer: Result<Reply, Refusal>,
) {
    let body = answer.unwrap_or_else(|refusal| Reply {
        kind: "error",
        code: Some(refusal.code as u16),
        text: Some(refusal.text),
        ..Reply::default()
    });
    debug_assert!(is_type_of_reply(body.kind), "not {}", body.kind);
    if let Some((src, dest)) = address {
        write_json(to, r#"{"src": "#, &dest.0);
        write_json(to, r#", "dest": "#, &src.0);
        to.extend_from_slice(br#", "body": "#);
    }
    write_body(to, in_reply_to, &body);
    to.extend(address.is_some().then_some(b'}'));
}

fn write_body(to: &mut Vec<u8>, in_reply_to: Option<u64>, body: &Reply) {
    write_json(to, r#"{"type": "#, body.kind);
    write_field(to, r#", "in_reply_to": "#, in_reply_to);
    write_field(to, r#", "status": "#, body.status);
    write_field(
        to,
        r#", "backend": "#,
        body.backend.as_ref().map(AsRef::as_ref),
    );
    if let Some(backends) = body.active_connections {
        to.extend_from_slice(br#", "active_connections": {"#);
        for (index, backend) in backends.iter().enumerate() {
            write_json(to, if index == 0 { "" } else { ", " }, &*backend.name);
            write_json(to, ": ", &backend.active_connections);
        }
        to.push(b'}');
    }
    if let Some(backends) = body.backends {
        to.extend_from_slice(br#", "backends": {"#);
        for (index, backend) in backends.iter().enumerate() {
            write_json(to, if index == 0 { "" } else { ", " }, &*backend.name);
            let active = backend.active_connections;
            write_json(to, r#": {"active_connections": "#, &active);
            write_json(to, r#", "total_requests": "#, &backend.total_requests);
            write_json(to, r#", "last_used": "#, &backend.last_used);
            write_json(to, r#", "draining": "#, &backend.draining);
            to.push(b'}');
        }
        to.push(b'}');
    }
    write_field(to, r#", "echo": "#, body.echo);
    write_field(to, r#", "code": "#, body.code);
    write_field(to, r#", "text": "#, body.text.as_deref());
    to.push(b'}');
}

/// Writes a key with what comes before its value, then the value, if there is one.
fn write_field(to: &mut Vec<u8>, key: &str, value: Option<impl Serialize>) {
    if let Some(value) = value {
        write_json(to, key, &value);
    }
}

fn write_json(to: &mut Vec<u8>, before: &str, value: &(impl Serialize + ?Sized)) {
    to.extend_from_slice(before.as_bytes());
    serde_json::to_writer(to, value).expect("writing to memory cannot fail");
}

/// Writes a reply as one line. The line breaks between the tokens of an echo become spaces. Escapes the characters in
/// strings that some readers take for a line break, or some terminals for a command.
pub fn write_on_one_line(to: &mut impl Write, reply: &[u8]) -> io::Result<()> {
    // These bytes begin the characters in question. Most replies have none. Unlike `any`, `fold` is vectorized.
    let is_special = |byte| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2);
    if reply
        .iter()
        .fold(false, |any, byte| any | is_special(*byte))
    {
        let reply = str::from_utf8(reply).expect("`serde_json` writes UTF-8");
        for character in reply.chars() {
            match character {
                '\n' | '\r' => to.write_all(b" ")?,
                '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                    write!(to, "\\u{:04x}", u32::from(character))?;
                }
                _ => to.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?,
            }
        }
    } else {
        to.write_all(reply)?;
    }
    to.write_all(b"\n")
}
