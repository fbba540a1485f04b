//! Replies: the keys of each type, their order and their spacing.
//!
//! A reply is written from left to right. Keys and punctuation are constants, written as they are; names, numbers and
//! error messages go through `serde_json`. Checking constant keys for characters to escape would take a fifth of the time
//! of a whole message.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::least_connections::Backend;
use crate::request::{Action, Address};

/// The answer to a request, by the `type` of the reply.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "these are the types' names")]
pub enum Response<'a> {
    InitOk,
    HttpResponse {
        backend: &'a Backend,
        /// The whole pool. `None` if the caller has just reported the counts.
        backends: Option<&'a [Backend]>,
    },
    /// One of the three types that name one backend.
    OfBackend {
        action: Action,
        backend: &'a str,
        backends: &'a [Backend],
    },
    StatsOk {
        backends: &'a [Backend],
    },
    EchoOk {
        echo: &'a RawValue,
    },
}

/// Writes a reply on one line: an envelope to the sender, or a bare body if the message had no address.
///
/// # Errors
///
/// Those of the writer.
pub fn write<S: AsRef<str>>(
    to: &mut impl Write,
    address: Option<&Address<S>>,
    in_reply_to: Option<u64>,
    answer: &Result<Response<'_>, Refusal>,
) -> io::Result<()> {
    let Some(Address { src, dest }) = address else {
        write_body(to, in_reply_to, answer)?;
        return to.write_all(b"\n");
    };
    write_field(to, r#"{"src": "#, dest.as_ref())?;
    write_field(to, r#", "dest": "#, src.as_ref())?;
    to.write_all(br#", "body": "#)?;
    write_body(to, in_reply_to, answer)?;
    to.write_all(b"}\n")
}

fn write_body(
    to: &mut impl Write,
    in_reply_to: Option<u64>,
    answer: &Result<Response<'_>, Refusal>,
) -> io::Result<()> {
    to.write_all(match answer {
        Ok(Response::InitOk) => br#"{"type": "init_ok""#,
        Ok(Response::HttpResponse { .. }) => br#"{"type": "http_response""#,
        Ok(Response::OfBackend { action, .. }) => match action {
            Action::RequestComplete => br#"{"type": "request_complete_ok""#,
            Action::Drain => br#"{"type": "drain_ok""#,
            Action::Resume => br#"{"type": "resume_ok""#,
        },
        Ok(Response::StatsOk { .. }) => br#"{"type": "stats_ok""#,
        Ok(Response::EchoOk { .. }) => br#"{"type": "echo_ok""#,
        Err(_) => br#"{"type": "error""#,
    })?;
    if let Some(msg_id) = in_reply_to {
        write_field(to, r#", "in_reply_to": "#, &msg_id)?;
    }
    match answer {
        Ok(Response::InitOk) => {}
        Ok(Response::HttpResponse { backend, backends }) => {
            if backends.is_some() {
                to.write_all(br#", "status": 200"#)?;
            }
            write_field(to, r#", "backend": "#, &*backend.name)?;
            if let Some(backends) = backends {
                write_counts(to, backends)?;
            }
        }
        Ok(Response::OfBackend {
            backend, backends, ..
        }) => {
            write_field(to, r#", "backend": "#, backend)?;
            write_counts(to, backends)?;
        }
        Ok(Response::StatsOk { backends }) => write_stats(to, backends)?,
        Ok(Response::EchoOk { echo }) => {
            to.write_all(br#", "echo": "#)?;
            write_on_one_line(to, echo.get())?;
        }
        Err(refusal) => {
            write_field(to, r#", "code": "#, &refusal.code())?;
            write_field(to, r#", "text": "#, &refusal.to_string())?;
        }
    }
    to.write_all(b"}")
}

/// Writes the active connections of all backends, in the pool's order.
fn write_counts(to: &mut impl Write, backends: &[Backend]) -> io::Result<()> {
    to.write_all(br#", "active_connections": {"#)?;
    for (index, backend) in backends.iter().enumerate() {
        if index > 0 {
            to.write_all(b", ")?;
        }
        write_json(to, &*backend.name)?;
        to.write_all(b": ")?;
        write_json(to, &backend.active_connections)?;
    }
    to.write_all(b"}")
}

/// Writes all counters of all backends, in the pool's order.
fn write_stats(to: &mut impl Write, backends: &[Backend]) -> io::Result<()> {
    to.write_all(br#", "backends": {"#)?;
    for (index, backend) in backends.iter().enumerate() {
        if index > 0 {
            to.write_all(b", ")?;
        }
        write_json(to, &*backend.name)?;
        write_field(
            to,
            r#": {"active_connections": "#,
            &backend.active_connections,
        )?;
        write_field(to, r#", "total_requests": "#, &backend.total_requests)?;
        write_field(to, r#", "last_used": "#, &backend.last_used())?;
        write_field(to, r#", "draining": "#, &backend.draining)?;
        to.write_all(b"}")?;
    }
    to.write_all(b"}")
}

/// Writes a key with its punctuation, then its value.
fn write_field(
    to: &mut impl Write,
    key: &str,
    value: &(impl Serialize + ?Sized),
) -> io::Result<()> {
    to.write_all(key.as_bytes())?;
    write_json(to, value)
}

/// Writes a name or a number.
fn write_json(to: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    Ok(serde_json::to_writer(to, value)?)
}

/// Writes JSON unchanged, with a space for each line break. (JSON has line breaks only between tokens.)
///
/// A lone `\r` counts, because readers of lines, in Java as in Python, end a line there.
fn write_on_one_line(to: &mut impl Write, json: &str) -> io::Result<()> {
    // Unlike `any`, `fold` has no early exit, so the compiler vectorizes it.
    let is_break = |byte| matches!(byte, b'\r' | b'\n');
    let has_break = json.bytes().fold(false, |any, byte| any | is_break(byte));
    if !has_break {
        return to.write_all(json.as_bytes());
    }
    let lines = json.lines().flat_map(|line| line.split('\r'));
    for (index, line) in lines.enumerate() {
        if index > 0 {
            to.write_all(b" ")?;
        }
        to.write_all(line.as_bytes())?;
    }
    Ok(())
}
