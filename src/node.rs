//! The node: answers one request, with a response or with the reason why it is refused.

use crate::error::Refusal;
use crate::least_connections::{LeastConnections, listed_twice};
use crate::reply::Response;
use crate::request::{Action, Request};

/// A load balancer, and the backends that it was started with.
#[derive(Debug)]
pub struct Node {
    /// The backends of the command line. An `init` without `backends` goes back to them.
    started_with: Vec<String>,
    pool: LeastConnections,
}

impl Node {
    /// A node with these backends, all different. Without any, requests can add backends.
    #[must_use]
    pub fn new(backends: Vec<String>) -> Self {
        Self {
            pool: starting_pool(&backends),
            started_with: backends,
        }
    }

    /// Answers a request. `now` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// Why it is refused; nothing has changed then. If there are several reasons, a malformed request comes first, and
    /// an unknown algorithm second.
    pub(crate) fn answer<'a, S: AsRef<str>>(
        &'a mut self,
        request: &'a Request<'a, S>,
        now: u64,
    ) -> Result<Response<'a>, Refusal> {
        Ok(match request {
            Request::Init {
                backends,
                algorithm,
                node_id,
                node_ids,
            } => {
                // First: the indices and the check of the names can take 100 MB each.
                self.pool.forget_indices();
                check_names("backends", backends.as_deref())?;
                check_names("node_ids", node_ids.as_deref())?;
                check_algorithm(algorithm.as_ref())?;
                // Drops the old pool first: each can have two million backends.
                self.pool = LeastConnections::open();
                self.pool = match (backends, node_ids) {
                    (Some(backends), _) => LeastConnections::configured(backends),
                    (None, Some(node_ids)) if self.started_with.is_empty() => {
                        let node_id = node_id.as_ref().map(AsRef::as_ref);
                        let others = node_ids.iter().map(AsRef::as_ref);
                        LeastConnections::guessed(others.filter(|id| Some(*id) != node_id))
                    }
                    (None, _) => starting_pool(&self.started_with),
                };
                Response::InitOk
            }
            Request::HttpRequest {
                algorithm,
                active_connections,
            } => {
                let report = active_connections.as_deref();
                let report = report.map(|counts| self.pool.locate(counts)).transpose()?;
                check_algorithm(algorithm.as_ref())?;
                let has_report = report.is_some();
                let decision = self.pool.route(report, now)?;
                Response::HttpResponse {
                    backend: decision.backend,
                    backends: (!has_report).then_some(decision.backends),
                }
            }
            Request::OfBackend { action, backend } => {
                let (action, backend) = (*action, backend.as_ref());
                match action {
                    Action::RequestComplete => self.pool.complete(backend)?,
                    Action::Drain => self.pool.set_draining(backend, true)?,
                    Action::Resume => self.pool.set_draining(backend, false)?,
                }
                Response::OfBackend {
                    action,
                    backend,
                    backends: self.pool.backends(),
                }
            }
            Request::Stats => Response::StatsOk {
                backends: self.pool.backends(),
            },
            Request::Echo { echo } => Response::EchoOk { echo },
        })
    }
}

fn starting_pool(backends: &[String]) -> LeastConnections {
    if backends.is_empty() {
        LeastConnections::open()
    } else {
        LeastConnections::configured(backends)
    }
}

fn check_names<S: AsRef<str>>(field: &'static str, names: Option<&[S]>) -> Result<(), Refusal> {
    match names.and_then(listed_twice) {
        None => Ok(()),
        Some(name) => Err(Refusal::ListedTwice {
            name: name.to_owned(),
            field,
        }),
    }
}

fn check_algorithm<S: AsRef<str>>(algorithm: Option<&S>) -> Result<(), Refusal> {
    match algorithm.map(AsRef::as_ref) {
        None | Some("least-connections") => Ok(()),
        Some(unknown) => Err(Refusal::UnknownAlgorithm(unknown.to_owned())),
    }
}
