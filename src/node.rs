//! The node: what each type of message does.
//!
//! A new type is a function, a line in [`TYPES`] and a row in the README, and a key in `reply` if its reply has a new one.
//! The function reads the fields that it needs.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use serde_json::value::RawValue;

use crate::error::{Code, Refusal, quoted};
use crate::least_connections::LeastConnections;
use crate::object::{Entries, Object, Str, unusable};
use crate::reply::Reply;

/// The highest count in a report: 2^53 - 1, the largest integer that every JSON parser keeps exact.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// A reply, to which [`Node::answer`] adds the type, or why the message is refused.
type Answer<'a> = Result<Reply<'a>, Refusal>;

/// Answers a message with these fields.
type Handler = for<'a> fn(&'a mut Node, &Object<'a>) -> Answer<'a>;

/// The types of messages, those of their replies, and what answers them.
#[rustfmt::skip] // One line a type.
const TYPES: &[(&str, &str, Handler)] = &[
    ("init", "init_ok", init),
    ("http_request", "http_response", http_request),
    ("request_complete", "request_complete_ok", |node, fields| change_pool(node, fields, LeastConnections::complete)),
    ("drain", "drain_ok", |node, fields| change_pool(node, fields, |pool, name| pool.set_draining(name, true))),
    ("resume", "resume_ok", |node, fields| change_pool(node, fields, |pool, name| pool.set_draining(name, false))),
    ("add", "add_ok", |node, fields| change_pool(node, fields, LeastConnections::add)),
    ("remove", "remove_ok", |node, fields| change_pool(node, fields, LeastConnections::remove)),
    ("stats", "stats_ok", stats),
    ("echo", "echo_ok", echo),
];

/// A load balancer that answers messages.
#[derive(Debug)]
pub struct Node {
    /// The backends of the command line. An `init` without `backends` goes back to them.
    started_with: Vec<String>,
    pool: LeastConnections,
}

impl Node {
    /// A node with these backends. Without any, messages name them. Refused if a name is empty or repeats.
    pub fn new(backends: Vec<String>) -> Result<Self, Refusal> {
        let pool = starting_pool(&backends, &[])?;
        let started_with = backends;
        Ok(Self { started_with, pool })
    }

    /// Answers a message of a type, or says why it is refused. Of several reasons, a malformed message comes first (but
    /// for the names in a report), and an unknown type or algorithm second.
    pub(crate) fn answer<'a>(&'a mut self, kind: &str, fields: &Object<'a>) -> Answer<'a> {
        let Some((_, kind, answer)) = TYPES.iter().find(|(known, ..)| *known == kind) else {
            let known: Vec<_> = TYPES.iter().map(|(known, ..)| *known).collect();
            let (kind, known) = (quoted(kind), known.join(", "));
            let text = format!("unknown message type {kind}: the known ones are {known}");
            return Err(Refusal::new(Code::NotSupported, text));
        };
        answer(self, fields).map(|reply| Reply { kind, ..reply })
    }
}

fn init<'a>(node: &'a mut Node, fields: &Object<'a>) -> Answer<'a> {
    const NAMES: &str = "a list of strings";
    let backends: Option<Vec<Str>> = fields.optional("backends", NAMES)?;
    let node_id: Option<Str> = fields.optional("node_id", "a string")?;
    let node_ids: Option<Vec<Str>> = fields.optional("node_ids", NAMES)?;
    let report = report(fields)?;
    let mut others = node_ids.unwrap_or_default();
    others.retain(|id| Some(id) != node_id.as_ref());
    let mut pool = match backends {
        Some(names) => LeastConnections::new(&names)?,
        None => starting_pool(&node.started_with, &others)?,
    };
    check_algorithm(fields)?;
    if let Some(Entries(counts)) = report {
        pool.report(&counts)?;
    }
    node.pool = pool;
    Ok(Reply::default())
}

fn http_request<'a>(node: &'a mut Node, fields: &Object<'a>) -> Answer<'a> {
    let report = report(fields)?;
    check_algorithm(fields)?;
    let counts = report.as_ref().map_or(&[][..], |Entries(counts)| counts);
    let chosen = node.pool.route(counts, now())?;
    let backends = node.pool.backends();
    Ok(Reply {
        status: report.is_none().then_some(200),
        backend: Some(Str(Cow::Borrowed(&backends[chosen].name))),
        active_connections: report.is_none().then_some(backends),
        ..Reply::default()
    })
}

/// Changes the pool at the backend that a message names.
fn change_pool<'a>(
    node: &'a mut Node,
    fields: &Object<'a>,
    change: fn(&mut LeastConnections, &str) -> Result<(), Refusal>,
) -> Answer<'a> {
    let backend: Str = fields.required("backend", "a string, the name of a backend")?;
    change(&mut node.pool, &backend.0)?;
    Ok(Reply {
        backend: Some(backend),
        active_connections: Some(node.pool.backends()),
        ..Reply::default()
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler")]
fn stats<'a>(node: &'a mut Node, _: &Object<'a>) -> Answer<'a> {
    Ok(Reply {
        backends: Some(node.pool.backends()),
        ..Reply::default()
    })
}

fn echo<'a>(_: &'a mut Node, fields: &Object<'a>) -> Answer<'a> {
    Ok(Reply {
        echo: Some(fields.written("echo", "any JSON value")?),
        ..Reply::default()
    })
}

/// The pool of the command line, or else an open one of the other nodes.
fn starting_pool(backends: &[String], others: &[Str]) -> Result<LeastConnections, Refusal> {
    match backends {
        [] => LeastConnections::new(others).map(LeastConnections::open),
        names => LeastConnections::new(names),
    }
}

/// The counts that a message reports, if it does.
fn report<'a>(fields: &Object<'a>) -> Result<Option<Entries<'a, u64>>, Refusal> {
    const KEY: &str = "active_connections";
    const REPORT: &str = "an object of backend names and integers";
    let is_count = |count| count <= MAX_COUNT;
    if let Ok(report) = fields.optional::<Entries<u64>>(KEY, REPORT) {
        let mut counts = report.iter().flat_map(|Entries(counts)| counts);
        if counts.all(|(_, count)| is_count(*count)) {
            return Ok(report);
        }
    }
    // One of the counts is wrong, or it is no report.
    let Entries(counts) = fields.required::<Object>(KEY, REPORT)?;
    let is_right = |value: &RawValue| serde_json::from_str(value.get()).is_ok_and(is_count);
    let wrong = counts.into_iter().find(|(_, value)| !is_right(value));
    let (name, value) = wrong.expect("not all of them are right");
    let field = format!("{KEY} of {}", quoted(&name));
    let wanted = format!("an integer from 0 to {MAX_COUNT}");
    Err(unusable(&field, &wanted, value.get()))
}

fn check_algorithm(fields: &Object) -> Result<(), Refusal> {
    match fields.optional("algorithm", "a string")? {
        Some(Str(unknown)) if unknown != "least-connections" => {
            let name = quoted(&unknown);
            let text = format!(r#"unknown algorithm {name}: the only one is "least-connections""#);
            Err(Refusal::new(Code::NotSupported, text))
        }
        _ => Ok(()),
    }
}

/// Milliseconds since the Unix epoch, or 0 if the clock is set to an earlier time.
fn now() -> u64 {
    let since_epoch = UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
