//! Replies: their keys, in the order in which they are written, and their spacing.
//!
//! Keys are constants, written with what surrounds them. Values go through `serde_json`.

use std::mem;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::least_connections::Backend;
use crate::message::{Message, is_type_of_reply};

/// The body of a reply, with all the keys that one can have.
#[derive(Default)]
pub struct Reply<'a> {
    pub kind: &'static str,
    pub status: Option<u16>,
    pub backend: Option<&'a str>,
    /// The backends whose active connections are listed.
    pub active_connections: Option<&'a [Backend]>,
    /// The backends whose counters are listed.
    pub backends: Option<&'a [Backend]>,
    pub echo: Option<&'a RawValue>,
    pub code: Option<u16>,
    pub text: Option<String>,
}

/// Writes the reply to a message into `to`, as one line: an envelope to its sender, or a bare body if it has no address.
pub fn write(to: &mut Vec<u8>, message: &Message, answer: Result<Reply, Refusal>) {
    to.clear();
    let body = answer.unwrap_or_else(|refusal| Reply {
        kind: "error",
        code: Some(refusal.code),
        text: Some(refusal.text),
        ..Reply::default()
    });
    debug_assert!(is_type_of_reply(body.kind));
    if let Some((src, dest)) = &message.address {
        write_json(to, r#"{"src": "#, &**dest);
        write_json(to, r#", "dest": "#, &**src);
        to.extend_from_slice(br#", "body": "#);
        write_body(to, message.msg_id, &body);
        to.push(b'}');
    } else {
        write_body(to, message.msg_id, &body);
    }
    put_on_one_line(to);
    to.push(b'\n');
}

fn write_body(to: &mut Vec<u8>, in_reply_to: Option<u64>, body: &Reply) {
    write_json(to, r#"{"type": "#, body.kind);
    write_field(to, r#", "in_reply_to": "#, in_reply_to);
    write_field(to, r#", "status": "#, body.status);
    write_field(to, r#", "backend": "#, body.backend);
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

/// Takes the line breaks out of a reply: `\n` and `\r` between the tokens of an echo, and in any string the characters
/// that some readers of lines take for a line break.
fn put_on_one_line(to: &mut Vec<u8>) {
    // The first byte of U+0085 is 0xC2, that of U+2028 and U+2029 is 0xE2. Unlike `any`, `fold` is vectorized.
    let is_special = |byte| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2);
    if to.iter().fold(false, |any, byte| any | is_special(*byte)) {
        let reply = String::from_utf8(mem::take(to)).expect("`serde_json` writes UTF-8");
        let reply = reply.replace(['\n', '\r'], " ");
        let reply = reply.replace('\u{85}', r"\u0085");
        let reply = reply.replace('\u{2028}', r"\u2028");
        let reply = reply.replace('\u{2029}', r"\u2029");
        *to = reply.into_bytes();
    }
}
