//! The balancer: which backend gets the next request, and how many active connections each one has. It has no input, no
//! output and no clock: the caller passes the time. What it refuses changes nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Code, Refusal, check_names, listed, quoted};

const EMPTY: &str =
    "the pool is empty: add a backend, or name backends in an init or on the command line";

/// An ordered pool of backends. No name in it is empty, and none repeats.
///
/// ```
/// use least_connections::LeastConnections;
///
/// let mut balancer = LeastConnections::new(&["a", "b"])?;
/// assert_eq!(balancer.route(&[], 0), Ok(0)); // A tie goes to the first: "a".
/// assert_eq!(balancer.route(&[("a".into(), 5)], 0), Ok(1)); // The caller has counted 5 for "a".
/// balancer.complete("b")?;
/// # Ok::<(), least_connections::Refusal>(())
/// ```
#[derive(Debug, Clone)]
pub struct LeastConnections {
    backends: Vec<Backend>,
    /// Whether a report that names backends decides which ones the pool has.
    is_open: bool,
}

/// A backend and its counters.
#[derive(Debug, Clone, Default)]
pub struct Backend {
    /// Its name, which no other backend of the pool has.
    pub name: String,
    /// The count last reported (0 at the start), plus the requests routed since then, minus the completions.
    pub active_connections: u64,
    /// How many requests were routed to it.
    pub total_requests: u64,
    /// When the last request was routed to it, in milliseconds since the Unix epoch. `None` before the first.
    pub last_used: Option<u64>,
    /// Whether it takes no new requests.
    pub draining: bool,
}

/// Names, and active connections as the caller has counted them.
pub type Report<'a> = [(Cow<'a, str>, u64)];

impl LeastConnections {
    /// A configured pool: a report cannot change which backends it has. Refused if a name is empty or repeats.
    pub fn new(names: &[impl AsRef<str>]) -> Result<Self, Refusal> {
        let names = names.iter().map(AsRef::as_ref);
        // Before any backend is made, to save memory.
        check_names(names.clone())?;
        let backends = names.map(Backend::new).collect();
        let is_open = false;
        Ok(Self { backends, is_open })
    }

    /// Opens the pool: a report that names any backend decides which ones it has.
    #[must_use]
    pub fn open(self) -> Self {
        let is_open = true;
        Self { is_open, ..self }
    }

    /// All backends, in the pool's order.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Routes one request to the backend with the fewest active connections, and returns its index in the pool.
    ///
    /// Backends that are draining get none. A tie goes to the first in the pool's order. Before the decision, the pool
    /// takes the [report](Self::report). `now` is in milliseconds since the Unix epoch. Refused if the report is, or if
    /// there is nothing to route to.
    pub fn route(&mut self, report: &Report, now: u64) -> Result<usize, Refusal> {
        self.take(report, check_available)?;
        let fewest = (self.backends.iter_mut().enumerate())
            .filter(|(_, backend)| !backend.draining)
            // Of several minima, `min_by_key` returns the first, which is the rule for ties.
            .min_by_key(|(_, backend)| backend.active_connections);
        let (index, backend) = fewest.expect("`check_available` has found one");
        backend.active_connections = backend.active_connections.saturating_add(1);
        backend.total_requests += 1;
        backend.last_used = Some(now);
        Ok(index)
    }

    /// Takes the counts that the caller has for some backends. A configured pool keeps those of the others. An open pool
    /// becomes the backends of the report, in its order, if it names any. Those that it has already keep all else.
    /// Refused if a name is empty or repeats, or if a configured pool does not have it.
    pub fn report(&mut self, report: &Report) -> Result<(), Refusal> {
        self.take(report, |_| Ok(()))
    }

    /// Ends a request at a backend. Refused if the pool does not have it, or if it has no active connection.
    pub fn complete(&mut self, name: &str) -> Result<(), Refusal> {
        let index = self.index(name)?;
        let backend = &mut self.backends[index];
        if backend.active_connections == 0 {
            let name = quoted(name);
            let text = format!("backend {name} has no active connection to complete");
            return Err(Refusal::new(Code::PreconditionFailed, text));
        }
        backend.active_connections -= 1;
        Ok(())
    }

    /// Stops routing requests to a backend (`draining`), or resumes it. Refused if the pool does not have it.
    pub fn set_draining(&mut self, name: &str, draining: bool) -> Result<(), Refusal> {
        let index = self.index(name)?;
        self.backends[index].draining = draining;
        Ok(())
    }

    /// Adds a backend at the end of the pool, which is configured from now on. Refused if the name is empty, or if the
    /// pool has it already.
    pub fn add(&mut self, name: &str) -> Result<(), Refusal> {
        check_names([name].into_iter())?;
        if self.names().any(|known| known == name) {
            let text = format!("backend {} is in the pool already", quoted(name));
            return Err(Refusal::new(Code::KeyAlreadyExists, text));
        }
        self.backends.push(Backend::new(name));
        self.is_open = false;
        Ok(())
    }

    /// Removes a backend from the pool, which is configured from now on. Refused if the pool does not have it.
    pub fn remove(&mut self, name: &str) -> Result<(), Refusal> {
        let index = self.index(name)?;
        self.backends.remove(index);
        self.is_open = false;
        Ok(())
    }

    /// Takes a report, unless `check` refuses the backends that the pool would then have.
    fn take(&mut self, report: &Report, check: Check) -> Result<(), Refusal> {
        if let Some(backends) = self.replaced(report)? {
            check(&backends)?;
            self.backends = backends;
            return Ok(());
        }
        let indexes = self.indexes(report)?;
        check(&self.backends)?;
        for (index, (_, count)) in indexes.into_iter().zip(report) {
            self.backends[index].active_connections = *count;
        }
        Ok(())
    }

    /// The backends of an open pool after a report, if the report changes which ones it has, or their order.
    fn replaced(&self, report: &Report) -> Result<Option<Vec<Backend>>, Refusal> {
        let names = names_of(report);
        if !self.is_open || report.is_empty() || names.clone().eq(self.names()) {
            return Ok(None);
        }
        check_names(names)?;
        let known: HashMap<_, _> = self.names().zip(&self.backends).collect();
        let backends = report.iter().map(|(name, count)| Backend {
            active_connections: *count,
            ..known
                .get(&**name)
                .map_or_else(|| Backend::new(name), |&known| known.clone())
        });
        Ok(Some(backends.collect()))
    }

    /// The index of each reported backend.
    fn indexes(&self, report: &Report) -> Result<Vec<usize>, Refusal> {
        let names = names_of(report);
        // In the pool's order, no map is needed.
        if names.clone().eq(self.names().take(report.len())) {
            return Ok((0..report.len()).collect());
        }
        let mut known: HashMap<_, _> = self.names().zip(0..).collect();
        let indexes = names.clone().map(|name| known.remove(name).ok_or(name));
        indexes.collect::<Result<_, _>>().or_else(|name| {
            // It repeats, or the pool does not have it.
            check_names(names)?;
            Err(self.unknown(name))
        })
    }

    fn index(&self, name: &str) -> Result<usize, Refusal> {
        let index = self.names().position(|known| known == name);
        index.ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Refusal {
        let name = quoted(name);
        let text = match &*listed(self.names()) {
            "" => format!("unknown backend {name}: the pool is empty"),
            names => format!("unknown backend {name}: the pool has {names}"),
        };
        Refusal::new(Code::KeyDoesNotExist, text)
    }

    fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.backends.iter().map(|backend| &*backend.name)
    }
}

impl Backend {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

fn names_of<'a>(report: &'a Report) -> impl Iterator<Item = &'a str> + Clone {
    report.iter().map(|(name, _)| &**name)
}

type Check = fn(&[Backend]) -> Result<(), Refusal>;

/// Refuses a request to these backends, if none of them can take it.
fn check_available(backends: &[Backend]) -> Result<(), Refusal> {
    if backends.iter().any(|backend| !backend.draining) {
        return Ok(());
    }
    let text = match &*listed(backends.iter().map(|backend| &*backend.name)) {
        "" => EMPTY.to_owned(),
        names => format!("every backend is draining: resume one of {names}"),
    };
    Err(Refusal::new(Code::TemporarilyUnavailable, text))
}
