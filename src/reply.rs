//! The JSON of replies: which keys each has, in which order and spacing.
//!
//! A reply is written from left to right as it will be read: what is the same in all of its kind stands here as it
//! will stand there, and whatever comes from outside (names, numbers, texts) is written by `serde_json`. That takes about
//! a fifth less time for a whole message than to have constant keys looked through for characters to escape.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use crate::error::Refusal;
use crate::least_connections::Backend;
use crate::request::Address;

/// What a request is answered with, by the `type` of the reply.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "these are the types' names")]
pub enum Response<'a> {
    /// The pool is set up.
    InitOk,
    /// The request is routed to `backend`.
    HttpResponse {
        backend: &'a Backend,
        /// The pool after that, unless the caller has just reported its counts.
        backends: Option<&'a [Backend]>,
    },
    /// A request at `backend` has ended.
    RequestCompleteOk {
        backend: &'a str,
        backends: &'a [Backend],
    },
    /// All counters.
    StatsOk { backends: &'a [Backend] },
    /// What was sent.
    EchoOk { echo: &'a RawValue },
}

/// Writes the reply to a message, on one line: an envelope to the sender where the message had an address, a bare
/// body where it had none.
///
/// # Errors
///
/// Those of the writer.
pub fn write(
    to: &mut impl Write,
    address: Option<&Address<'_>>,
    in_reply_to: Option<u64>,
    answer: &Result<Response<'_>, Refusal>,
) -> io::Result<()> {
    let Some(Address { src, dest }) = address else {
        write_body(to, in_reply_to, answer)?;
        return to.write_all(b"\n");
    };
    to.write_all(br#"{"src": "#)?;
    write_json(to, dest)?;
    to.write_all(br#", "dest": "#)?;
    write_json(to, src)?;
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
        Ok(Response::RequestCompleteOk { .. }) => br#"{"type": "request_complete_ok""#,
        Ok(Response::StatsOk { .. }) => br#"{"type": "stats_ok""#,
        Ok(Response::EchoOk { .. }) => br#"{"type": "echo_ok""#,
        Err(_) => br#"{"type": "error""#,
    })?;
    if let Some(msg_id) = in_reply_to {
        to.write_all(br#", "in_reply_to": "#)?;
        write_json(to, &msg_id)?;
    }
    match answer {
        Ok(Response::InitOk) => {}
        Ok(Response::HttpResponse { backend, backends }) => {
            if backends.is_some() {
                to.write_all(br#", "status": 200"#)?;
            }
            to.write_all(br#", "backend": "#)?;
            write_json(to, backend.name())?;
            if let Some(backends) = backends {
                to.write_all(br#", "active_connections": "#)?;
                write_json(to, &ActiveConnections(backends))?;
            }
        }
        Ok(Response::RequestCompleteOk { backend, backends }) => {
            to.write_all(br#", "backend": "#)?;
            write_json(to, backend)?;
            to.write_all(br#", "active_connections": "#)?;
            write_json(to, &ActiveConnections(backends))?;
        }
        Ok(Response::StatsOk { backends }) => {
            to.write_all(br#", "backends": "#)?;
            write_json(to, &Stats(backends))?;
        }
        Ok(Response::EchoOk { echo }) => {
            to.write_all(br#", "echo": "#)?;
            write_json(to, echo)?;
        }
        Err(refusal) => {
            to.write_all(br#", "code": "#)?;
            write_json(to, &refusal.code())?;
            to.write_all(br#", "text": "#)?;
            write_json(to, &refusal.to_string())?;
        }
    }
    to.write_all(b"}")
}

fn write_json(to: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(to, OneLine))?;
    Ok(())
}

/// Backends as an object of name and active connections, in the pool's order.
struct ActiveConnections<'a>(&'a [Backend]);

impl Serialize for ActiveConnections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = |backend| (Backend::name(backend), backend.active_connections());
        serializer.collect_map(self.0.iter().map(counts))
    }
}

/// Backends as an object of name and counters, in the pool's order.
struct Stats<'a>(&'a [Backend]);

impl Serialize for Stats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = |backend| (Backend::name(backend), Counters::of(backend));
        serializer.collect_map(self.0.iter().map(counters))
    }
}

#[derive(Serialize)]
struct Counters {
    active_connections: u64,
    total_requests: u64,
    last_used: Option<u64>,
}

impl Counters {
    fn of(backend: &Backend) -> Self {
        Self {
            active_connections: backend.active_connections(),
            total_requests: backend.total_requests(),
            last_used: backend.last_used(),
        }
    }
}

/// The task's spacing: a space behind each comma and each colon, and no line break anywhere.
struct OneLine;

impl Formatter for OneLine {
    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }

    /// Writes an echo as it came, but for its line breaks, which can only stand between values. A `\r` by itself is
    /// one, too: what reads lines, on the JVM as in Python, ends one there.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, to: &mut W, echo: &str) -> io::Result<()> {
        let lines = echo.lines().flat_map(|line| line.split('\r'));
        for (index, line) in lines.enumerate() {
            if index > 0 {
                to.write_all(b" ")?;
            }
            to.write_all(line.as_bytes())?;
        }
        Ok(())
    }
}
