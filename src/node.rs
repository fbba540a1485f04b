//! The node: answers one message.

use std::ops::Deref;
use std::time::UNIX_EPOCH;

use crate::error::{Refusal, quoted, refuse_repeated};
use crate::least_connections::LeastConnections;
use crate::message::{Body, Entries, Message};
use crate::object::{ANY, BACKEND, missing};
use crate::reply::Reply;

/// A load balancer that answers messages.
#[derive(Debug)]
pub struct Node {
    /// The backends of the command line. An `init` without `backends` goes back to them.
    started_with: Vec<String>,
    pool: LeastConnections,
}

impl Node {
    /// A node with these backends. Without any, messages name them.
    ///
    /// # Errors
    ///
    /// If a name repeats.
    pub fn new(backends: Vec<String>) -> Result<Self, Refusal> {
        let pool = starting_pool(&backends, [])?;
        let started_with = backends;
        Ok(Self { started_with, pool })
    }

    /// Answers a message, or says why it is refused. Of several reasons, a malformed message comes first, and an unknown
    /// type or algorithm second.
    pub(crate) fn answer<'a>(&'a mut self, message: &'a Message) -> Result<Reply<'a>, Refusal> {
        const TYPES: &str = "init, http_request, request_complete, drain, resume, stats and echo";
        let body = message.body.as_ref().map_err(Clone::clone)?;
        match &*body.kind {
            "init" => self.init(body),
            "http_request" => self.route(body),
            "request_complete" => {
                self.change("request_complete_ok", body, LeastConnections::complete)
            }
            "drain" => self.change("drain_ok", body, |lb, name| lb.set_draining(name, true)),
            "resume" => self.change("resume_ok", body, |lb, name| lb.set_draining(name, false)),
            "stats" => Ok(Reply {
                kind: "stats_ok",
                backends: Some(self.pool.backends()),
                ..Reply::default()
            }),
            "echo" => Ok(Reply {
                kind: "echo_ok",
                echo: Some(body.echo.ok_or_else(|| missing("echo", ANY))?),
                ..Reply::default()
            }),
            unknown => {
                let name = quoted(unknown);
                let text = format!("unknown message type {name}: the known ones are {TYPES}");
                Err(Refusal { code: 10, text })
            }
        }
    }

    fn init(&mut self, body: &Body) -> Result<Reply<'_>, Refusal> {
        let node_ids = body.node_ids.iter().flatten().map(Deref::deref);
        refuse_repeated("node_ids", node_ids.clone())?;
        let others = node_ids.filter(|id| Some(*id) != body.node_id.as_deref());
        let mut pool = match &body.backends {
            Some(names) => LeastConnections::configured(names.iter().map(Deref::deref))?,
            None => starting_pool(&self.started_with, others)?,
        };
        check_algorithm(body)?;
        if let Some(Entries(counts)) = &body.active_connections {
            pool.report(counts)?;
        }
        self.pool = pool;
        Ok(Reply {
            kind: "init_ok",
            ..Reply::default()
        })
    }

    fn route(&mut self, body: &Body) -> Result<Reply<'_>, Refusal> {
        check_algorithm(body)?;
        let report = body.active_connections.as_ref().map(|counts| &*counts.0);
        let chosen = self.pool.route(report.unwrap_or_default(), now())?;
        let backends = self.pool.backends();
        Ok(Reply {
            kind: "http_response",
            status: report.is_none().then_some(200),
            backend: Some(&backends[chosen].name),
            active_connections: report.is_none().then_some(backends),
            ..Reply::default()
        })
    }

    /// Changes one backend.
    fn change<'a>(
        &'a mut self,
        kind: &'static str,
        body: &'a Body,
        change: fn(&mut LeastConnections, &str) -> Result<(), Refusal>,
    ) -> Result<Reply<'a>, Refusal> {
        let backend = body.backend.as_deref();
        let backend = backend.ok_or_else(|| missing("backend", BACKEND))?;
        change(&mut self.pool, backend)?;
        Ok(Reply {
            kind,
            backend: Some(backend),
            active_connections: Some(self.pool.backends()),
            ..Reply::default()
        })
    }
}

/// The pool of the command line, or else an open one of the other nodes.
fn starting_pool<'a>(
    backends: &[String],
    others: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> Result<LeastConnections, Refusal> {
    match backends {
        [] => LeastConnections::open(others),
        names => LeastConnections::configured(names.iter().map(Deref::deref)),
    }
}

fn check_algorithm(body: &Body) -> Result<(), Refusal> {
    match body.algorithm.as_deref() {
        None | Some("least-connections") => Ok(()),
        Some(unknown) => {
            let name = quoted(unknown);
            let text = format!(r#"unknown algorithm {name}: the only one is "least-connections""#);
            Err(Refusal { code: 10, text })
        }
    }
}

/// Milliseconds since the Unix epoch, or 0 if the clock is set to an earlier time.
fn now() -> u64 {
    let since_epoch = UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
