//! The balancer: which backend gets the next request, and how many active connections each one has.
//!
//! It has no input, no output and no clock: the caller passes the time. What it refuses changes nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Refusal, listed, quoted, refuse_repeated};

/// An ordered pool of backends. The one with the fewest active connections gets the next request.
///
/// ```
/// use least_connections::LeastConnections;
///
/// let mut balancer = LeastConnections::configured(["a", "b"])?;
/// assert_eq!(balancer.route(&[], 0), Ok(0)); // A tie goes to the first: "a".
/// assert_eq!(balancer.route(&[("a".into(), 5)], 0), Ok(1)); // The caller has counted 5 for "a".
/// balancer.complete("b")?;
/// # Ok::<(), least_connections::Refusal>(())
/// ```
#[derive(Debug, Clone)]
pub struct LeastConnections {
    backends: Vec<Backend>,
    /// Whether a report that names backends decides which ones the pool has.
    open: bool,
}

/// A backend and its counters.
#[derive(Debug, Clone, Default)]
pub struct Backend {
    /// Any string. No other backend of the pool has the same.
    pub name: String,
    /// The count last reported (0 at the start), plus the requests routed since then, minus the completions.
    pub active_connections: u64,
    /// How many requests were routed to it.
    pub total_requests: u64,
    /// When the last one was, in milliseconds since the Unix epoch.
    pub last_used: Option<u64>,
    /// Whether it takes no new requests.
    pub draining: bool,
}

/// Names, and active connections as the caller has counted them. Of a name that repeats, the last count holds.
pub type Report<'a> = [(Cow<'a, str>, u64)];

impl LeastConnections {
    /// A pool of these backends. A report cannot change which ones it has.
    ///
    /// # Errors
    ///
    /// If a name repeats.
    pub fn configured<'a>(
        names: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
    ) -> Result<Self, Refusal> {
        Self::new(names.into_iter(), false)
    }

    /// A pool of these backends, until a report names others.
    ///
    /// # Errors
    ///
    /// If a name repeats.
    pub fn open<'a>(
        names: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
    ) -> Result<Self, Refusal> {
        Self::new(names.into_iter(), true)
    }

    fn new<'a, N: Iterator<Item = &'a str> + Clone>(names: N, open: bool) -> Result<Self, Refusal> {
        // Before any backend is made, to save memory.
        refuse_repeated("backends", names.clone())?;
        let backends = names.map(Backend::new).collect();
        Ok(Self { backends, open })
    }

    /// All backends, in the pool's order.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Routes one request to the backend with the fewest active connections, and returns its index in
    /// [`backends`](Self::backends).
    ///
    /// Backends that are draining get none. A tie goes to the first in the pool's order. Before the decision, the pool
    /// takes the [report](Self::report). `now` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// If the report is refused, or if there is nothing to route to.
    pub fn route(&mut self, report: &Report, now: u64) -> Result<usize, Refusal> {
        self.take(report, check_available)?;
        let fewest = (self.backends.iter().enumerate())
            .filter(|(_, backend)| !backend.draining)
            // Of several minima, `min_by_key` returns the first, which is the rule for ties.
            .min_by_key(|(_, backend)| backend.active_connections);
        let (index, _) = fewest.expect("`take` has found one");
        let backend = &mut self.backends[index];
        backend.active_connections = backend.active_connections.saturating_add(1);
        backend.total_requests += 1;
        backend.last_used = Some(now);
        Ok(index)
    }

    /// Takes the counts that the caller has for some backends.
    ///
    /// A configured pool keeps the counts of the others. An open pool becomes the backends of the report, in its order,
    /// if it names any. Those that it has already keep all else.
    ///
    /// # Errors
    ///
    /// If the report names a backend that a configured pool does not have.
    pub fn report(&mut self, report: &Report) -> Result<(), Refusal> {
        self.take(report, |_| Ok(()))
    }

    /// Ends a request that was routed to `backend`.
    ///
    /// # Errors
    ///
    /// If the pool does not have it, or if it has no active connection.
    pub fn complete(&mut self, backend: &str) -> Result<(), Refusal> {
        let found = self.backend_mut(backend)?;
        if found.active_connections == 0 {
            let backend = quoted(backend);
            let text = format!("backend {backend} has no active connection to complete");
            return Err(Refusal { code: 22, text });
        }
        found.active_connections -= 1;
        Ok(())
    }

    /// Stops routing requests to `backend` (`draining`), or resumes it. Its counts go on as before.
    ///
    /// # Errors
    ///
    /// If the pool does not have it.
    pub fn set_draining(&mut self, backend: &str, draining: bool) -> Result<(), Refusal> {
        self.backend_mut(backend)?.draining = draining;
        Ok(())
    }

    /// Takes a report, unless `check` refuses the backends that the pool would then have.
    fn take(&mut self, report: &Report, check: Check) -> Result<(), Refusal> {
        let names = report.iter().map(|(name, _)| &**name);
        // An open pool has only what a report names, unless that is nothing.
        let is_whole = report.is_empty() || report.len() == self.backends.len();
        let in_order = names.clone().eq(self.names().take(report.len()));
        if self.open && !(is_whole && in_order) {
            let reported = self.reported(report);
            check(&reported)?;
            self.backends = reported;
            return Ok(());
        }
        // Empty if the report is in the pool's order, as most are.
        let mut places: Vec<usize> = Vec::new();
        if !in_order {
            let known: HashMap<_, usize> = self.names().zip(0..).collect();
            let place = |name| known.get(name).copied().ok_or_else(|| self.unknown(name));
            places = names.map(place).collect::<Result<_, _>>()?;
        }
        check(&self.backends)?;
        for (index, (_, count)) in report.iter().enumerate() {
            let place = places.get(index).copied().unwrap_or(index);
            self.backends[place].active_connections = *count;
        }
        Ok(())
    }

    /// The backends of a report, in its order. Those that the pool has keep all but their counts.
    fn reported(&self, report: &Report) -> Vec<Backend> {
        let known: HashMap<_, _> = self.names().zip(&self.backends).collect();
        let (mut reported, mut places) = (Vec::<Backend>::new(), HashMap::new());
        for (name, count) in report {
            // If the name repeats, it stays at the first one's place.
            let place = *places.entry(&**name).or_insert(reported.len());
            if place == reported.len() {
                let known = known.get(&**name).copied().cloned();
                reported.push(known.unwrap_or_else(|| Backend::new(name)));
            }
            reported[place].active_connections = *count;
        }
        reported
    }

    fn backend_mut(&mut self, name: &str) -> Result<&mut Backend, Refusal> {
        let index = self.names().position(|known| known == name);
        let index = index.ok_or_else(|| self.unknown(name))?;
        Ok(&mut self.backends[index])
    }

    fn unknown(&self, backend: &str) -> Refusal {
        let backend = quoted(backend);
        let text = match self.names() {
            names if names.len() == 0 => format!("unknown backend {backend}: the pool is empty"),
            names => format!("unknown backend {backend}: the pool has {}", listed(names)),
        };
        Refusal { code: 20, text }
    }

    fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.backends.iter().map(|backend| &*backend.name)
    }
}

impl Backend {
    fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self {
            name,
            ..Self::default()
        }
    }
}

type Check = fn(&[Backend]) -> Result<(), Refusal>;

/// Refuses a request to these backends, if none of them can take it.
fn check_available(backends: &[Backend]) -> Result<(), Refusal> {
    let text = if backends.is_empty() {
        "the pool is empty: name backends in active_connections, in an init, or on the command line"
            .to_owned()
    } else if backends.iter().all(|backend| backend.draining) {
        let names = listed(backends.iter().map(|backend| &*backend.name));
        format!("every backend is draining: resume one of {names}")
    } else {
        return Ok(());
    };
    Err(Refusal { code: 11, text })
}
