//! The node: answers one message.

use std::ops::Deref;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Refusal;
use crate::least_connections::{LeastConnections, refuse_repeated};
use crate::message::{Body, Message};
use crate::mistake::{BACKEND, missing};
use crate::reply::Reply;

/// A load balancer, and the backends that it was started with.
#[derive(Debug)]
pub struct Node {
    /// The backends of the command line. An `init` without `backends` goes back to them.
    started_with: Vec<String>,
    pool: LeastConnections,
}

impl Node {
    /// A node with these backends. Without any, requests can add backends.
    ///
    /// # Errors
    ///
    /// [`Refusal::ListedTwice`] if a name repeats.
    pub fn new(backends: Vec<String>) -> Result<Self, Refusal> {
        let pool = starting_pool(&backends)?;
        Ok(Self {
            started_with: backends,
            pool,
        })
    }

    /// Answers a message, or says why it is refused. Of several reasons, a malformed message comes first, and an unknown
    /// algorithm second.
    pub(crate) fn answer<'a>(&'a mut self, message: &'a Message) -> Result<Reply<'a>, Refusal> {
        let body = message.body.as_ref().map_err(Clone::clone)?;
        match &*body.kind {
            "init" => self.init(body),
            "http_request" => self.route(body),
            "request_complete" => {
                self.change("request_complete_ok", body, LeastConnections::complete)
            }
            "drain" => self.change("drain_ok", body, |pool, name| pool.set_draining(name, true)),
            "resume" => self.change("resume_ok", body, |pool, name| {
                pool.set_draining(name, false)
            }),
            "stats" => Ok(Reply {
                kind: "stats_ok",
                backends: Some(self.pool.backends()),
                ..Reply::default()
            }),
            "echo" => Ok(Reply {
                kind: "echo_ok",
                echo: Some(body.echo.ok_or_else(|| missing("echo", "any JSON value"))?),
                ..Reply::default()
            }),
            unknown => Err(Refusal::UnknownType(unknown.to_owned())),
        }
    }

    fn init(&mut self, body: &Body) -> Result<Reply<'_>, Refusal> {
        let ids = body.node_ids.iter().flatten().map(Deref::deref);
        refuse_repeated("node_ids", ids.clone())?;
        let pool = match &body.backends {
            Some(names) => LeastConnections::configured(names.iter().map(Deref::deref))?,
            None if self.started_with.is_empty() && body.node_ids.is_some() => {
                LeastConnections::guessed(ids.filter(|id| Some(*id) != body.node_id.as_deref()))
            }
            None => starting_pool(&self.started_with)?,
        };
        check_algorithm(body)?;
        self.pool = pool;
        Ok(Reply {
            kind: "init_ok",
            ..Reply::default()
        })
    }

    fn route(&mut self, body: &Body) -> Result<Reply<'_>, Refusal> {
        check_algorithm(body)?;
        let report = body.active_connections.as_ref().map(|report| &*report.0);
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

fn starting_pool(backends: &[String]) -> Result<LeastConnections, Refusal> {
    match backends {
        [] => Ok(LeastConnections::open()),
        names => LeastConnections::configured(names.iter().map(Deref::deref)),
    }
}

fn check_algorithm(body: &Body) -> Result<(), Refusal> {
    match body.algorithm.as_deref() {
        None | Some("least-connections") => Ok(()),
        Some(unknown) => Err(Refusal::UnknownAlgorithm(unknown.to_owned())),
    }
}

/// Milliseconds since the Unix epoch, or 0 if the clock is set to an earlier time.
fn now() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
