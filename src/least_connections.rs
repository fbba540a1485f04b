//! The balancer: which backend gets the next request, and how many active connections each one has.
//!
//! It has no input, no output and no clock: the caller passes the time. What it refuses changes nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Refusal, listed};

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
    membership: Membership,
    /// The index in `backends` of each name. [`find`](Self::find) adds those that are missing.
    indices: HashMap<String, usize>,
}

/// A backend and its counters.
#[derive(Debug, Clone)]
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

impl LeastConnections {
    /// Routes one request to the backend with the fewest active connections, and returns its index in
    /// [`backends`](Self::backends).
    ///
    /// Backends that are draining get none. A tie goes to the first in the pool's order. Before the decision, the counts
    /// of a `report` replace the pool's own. `now` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] if the report names a backend that a configured pool does not have;
    /// [`Refusal::EmptyPool`] or [`Refusal::AllDraining`] if there is nothing to route to.
    pub fn route(&mut self, report: &Report, now: u64) -> Result<usize, Refusal> {
        self.apply(report)?;
        let fewest = (self.backends.iter().enumerate())
            .filter(|(_, backend)| !backend.draining)
            // Of several minima, `min_by_key` returns the first, which is the rule for ties.
            .min_by_key(|(_, backend)| backend.active_connections);
        let (index, _) = fewest.expect("`apply` leaves a backend that is not draining");
        let backend = &mut self.backends[index];
        // Cannot overflow: a reported count is below 2^53, and the rest would take 2^63 requests.
        backend.active_connections += 1;
        backend.total_requests += 1;
        backend.last_used = Some(now);
        Ok(index)
    }

    /// Ends a request that was routed to `backend`.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] if the pool does not have it, [`Refusal::NoneActive`] if it has no active connection.
    pub fn complete(&mut self, backend: &str) -> Result<(), Refusal> {
        let found = self.backend_mut(backend)?;
        match found.active_connections {
            0 => return Err(Refusal::NoneActive(backend.to_owned())),
            _ => found.active_connections -= 1,
        }
        Ok(())
    }

    /// Stops routing requests to `backend` (`draining`), or resumes it. Its counts go on as before.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] if the pool does not have it.
    pub fn set_draining(&mut self, backend: &str, draining: bool) -> Result<(), Refusal> {
        self.backend_mut(backend)?.draining = draining;
        Ok(())
    }

    /// All backends, in the pool's order.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// An empty pool, to which reports add backends.
    #[must_use]
    pub fn open() -> Self {
        Self::new([], Membership::Open)
    }

    /// A pool of these backends, to which reports add none.
    ///
    /// # Errors
    ///
    /// [`Refusal::ListedTwice`] if a name repeats.
    pub fn configured<'a>(
        names: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
    ) -> Result<Self, Refusal> {
        let names = names.into_iter();
        refuse_repeated("backends", names.clone())?;
        Ok(Self::new(names, Membership::Closed))
    }

    /// A pool of these backends, all different, until the first report that names any.
    pub(crate) fn guessed<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(names, Membership::Guessed)
    }

    fn new<'a>(names: impl IntoIterator<Item = &'a str>, membership: Membership) -> Self {
        Self {
            backends: names.into_iter().map(Backend::new).collect(),
            membership,
            indices: HashMap::new(),
        }
    }

    /// Replaces the counts of the backends that a report names, unless the request that comes with it is refused.
    fn apply(&mut self, report: &Report) -> Result<(), Refusal> {
        if self.membership == Membership::Guessed && !report.is_empty() {
            *self = Self::open();
        }
        let names = report.iter().map(|(name, _)| &**name);
        // Most reports name the backends in the pool's order.
        if names.clone().eq(self.names().take(report.len())) {
            self.refuse_if_none_available()?;
            for (backend, (_, count)) in self.backends.iter_mut().zip(report) {
                backend.active_connections = *count;
            }
            return Ok(());
        }
        let known: Vec<_> = names.map(|name| self.find(name)).collect();
        match known.iter().position(Option::is_none) {
            Some(new) if self.membership == Membership::Closed => {
                return Err(self.unknown(&report[new].0));
            }
            // A new backend is not draining.
            Some(_) => {}
            None => self.refuse_if_none_available()?,
        }
        for ((name, count), known) in report.iter().zip(known) {
            // A report may name a new backend twice.
            let index = known.or_else(|| self.find(name));
            let index = index.unwrap_or_else(|| {
                self.backends.push(Backend::new(name));
                self.backends.len() - 1
            });
            self.backends[index].active_connections = *count;
        }
        Ok(())
    }

    fn refuse_if_none_available(&self) -> Result<(), Refusal> {
        if self.backends.is_empty() {
            let open = self.membership != Membership::Closed;
            return Err(Refusal::EmptyPool { open });
        }
        if self.backends.iter().all(|backend| backend.draining) {
            return Err(Refusal::AllDraining(listed(self.names())));
        }
        Ok(())
    }

    /// The index of a backend, for reports in another order than the pool's. (`position` would take quadratic time.)
    fn find(&mut self, name: &str) -> Option<usize> {
        for (index, backend) in self.backends.iter().enumerate().skip(self.indices.len()) {
            self.indices.insert(backend.name.clone(), index);
        }
        self.indices.get(name).copied()
    }

    fn backend_mut(&mut self, name: &str) -> Result<&mut Backend, Refusal> {
        let index = self.names().position(|known| known == name);
        let index = index.ok_or_else(|| self.unknown(name))?;
        Ok(&mut self.backends[index])
    }

    fn unknown(&self, backend: &str) -> Refusal {
        Refusal::UnknownBackend {
            backend: backend.to_owned(),
            pool: listed(self.names()),
        }
    }

    fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.backends.iter().map(|backend| &*backend.name)
    }
}

/// Names, and active connections as the caller has counted them: from 0 to 2^53 - 1.
pub type Report<'a> = [(Cow<'a, str>, u64)];

/// How backends get into the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// Only by configuration.
    Closed,
    /// A report adds the backends that it names.
    Open,
    /// The first report that names a backend replaces the whole pool.
    Guessed,
}

impl Backend {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            active_connections: 0,
            total_requests: 0,
            last_used: None,
            draining: false,
        }
    }
}

/// Refuses a list, the value of `field`, in which a name repeats.
pub(crate) fn refuse_repeated<'a>(
    field: &'static str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Refusal> {
    // Most lists are sorted, which is seen at once.
    if names.clone().is_sorted_by(|one, next| one < next) {
        return Ok(());
    }
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) else {
        return Ok(());
    };
    let name = pair[0].to_owned();
    Err(Refusal::ListedTwice { name, field })
}
