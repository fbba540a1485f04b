//! The node: one request to one response, or to the reason why it is refused.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Refusal;
use crate::least_connections::LeastConnections;
use crate::reply::Response;
use crate::request::Request;

/// A load balancer and what it was started with.
#[derive(Debug)]
pub struct Node {
    /// The backends of the command line, which an `init` without `backends` goes back to.
    started_with: Vec<String>,
    pool: LeastConnections,
}

impl Node {
    /// A node with these backends, all of them different: configured where there are any, open to the backends that
    /// requests report where there are none.
    #[must_use]
    pub fn new(backends: Vec<String>) -> Self {
        Self {
            pool: starting_pool(&backends),
            started_with: backends,
        }
    }

    /// Does what a request asks for.
    ///
    /// # Errors
    ///
    /// Why it is refused; nothing has changed then. Of several reasons, a malformed request comes first, an algorithm
    /// that there is not second.
    pub(crate) fn answer<'a>(
        &'a mut self,
        request: &'a Request<'a>,
    ) -> Result<Response<'a>, Refusal> {
        match request {
            Request::Init {
                backends,
                algorithm,
                node_id,
                node_ids,
            } => {
                check_algorithm(algorithm.as_deref())?;
                self.pool = match (backends, node_ids) {
                    (Some(backends), _) => LeastConnections::configured(backends),
                    (None, Some(node_ids)) if self.started_with.is_empty() => {
                        let mut others = node_ids.clone();
                        others.retain(|name| Some(name) != node_id.as_ref());
                        LeastConnections::guessed(&others)
                    }
                    (None, _) => starting_pool(&self.started_with),
                };
                Ok(Response::InitOk)
            }
            Request::HttpRequest {
                algorithm,
                active_connections,
            } => {
                let report = active_connections.as_ref();
                let report = report.map(|counts| self.pool.place(counts)).transpose()?;
                check_algorithm(algorithm.as_deref())?;
                let decision = self.pool.route(report.as_ref(), now())?;
                Ok(Response::HttpResponse {
                    backend: decision.backend,
                    backends: report.is_none().then_some(decision.backends),
                })
            }
            Request::RequestComplete { backend } => {
                self.pool.complete(backend)?;
                Ok(Response::RequestCompleteOk {
                    backend,
                    backends: self.pool.backends(),
                })
            }
            Request::Stats => Ok(Response::StatsOk {
                backends: self.pool.backends(),
            }),
            Request::Echo { echo } => Ok(Response::EchoOk { echo }),
        }
    }
}

fn starting_pool(backends: &[String]) -> LeastConnections {
    if backends.is_empty() {
        LeastConnections::open()
    } else {
        LeastConnections::configured(backends)
    }
}

fn check_algorithm(algorithm: Option<&str>) -> Result<(), Refusal> {
    match algorithm {
        None | Some("least-connections") => Ok(()),
        Some(unknown) => Err(Refusal::UnknownAlgorithm(unknown.to_owned())),
    }
}

/// Milliseconds since the Unix epoch, or 0 where the clock is set to before it.
fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
