//! The balancer: which backend gets the next request, and how many active connections each one has.
//!
//! It has no input or output, and no clock: a caller passes the time. Each operation either succeeds, or returns a
//! [`Refusal`] and changes nothing.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde::Deserialize;

use crate::error::{Names, Refusal};

/// One backend of the pool and its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    name: Rc<str>,
    active_connections: u64,
    total_requests: u64,
    /// Only meaningful once `total_requests` is above zero.
    last_used: u64,
    draining: bool,
}

impl Backend {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            active_connections: 0,
            total_requests: 0,
            last_used: 0,
            draining: false,
        }
    }

    /// Its name: any string, also an empty one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The count last reported (0 at the start), plus requests routed and minus completed since then.
    pub fn active_connections(&self) -> u64 {
        self.active_connections
    }

    /// The number of requests routed to it.
    pub fn total_requests(&self) -> u64 {
        self.total_requests
    }

    /// The time of the last request routed to it, in milliseconds since the Unix epoch.
    pub fn last_used(&self) -> Option<u64> {
        (self.total_requests > 0).then_some(self.last_used)
    }

    /// Whether it takes no new requests.
    pub fn draining(&self) -> bool {
        self.draining
    }
}

/// The ways for a backend into the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// Only by configuration.
    Closed,
    /// A report adds the backends that it names.
    Open,
    /// As `Open`, but the first report that names a backend replaces the whole pool, which was guessed.
    Guessed,
}

/// An ordered pool of backends. The one with the fewest active connections gets the next request.
#[derive(Debug)]
pub struct LeastConnections {
    backends: Vec<Backend>,
    /// The index in `backends` of each name. Made by the first lookup.
    indices: OnceCell<HashMap<Rc<str>, usize>>,
    membership: Membership,
}

/// Active connections as a caller reports them: at most 2^53 - 1, which every JSON parser keeps exact.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub struct Count(u64);

impl TryFrom<u64> for Count {
    type Error = &'static str;

    fn try_from(count: u64) -> Result<Self, Self::Error> {
        if count >= 1 << 53 {
            return Err("larger than 2^53 - 1");
        }
        Ok(Self(count))
    }
}

/// Reported counts, and where in the pool their backends are.
///
/// Made by [`LeastConnections::locate`], and valid until the pool changes.
#[derive(Debug)]
pub struct Report<'a, S> {
    counts: &'a [(S, Count)],
    location: Location,
}

#[derive(Debug)]
enum Location {
    /// The report names the pool's first backends in the pool's order, as most reports do.
    InOrder,
    /// The index in the pool of each backend of the report, if the pool has it.
    Indices(Vec<Option<usize>>),
}

impl<S: AsRef<str>> Report<'_, S> {
    fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.counts.iter().map(|(name, _)| name.as_ref())
    }

    fn iter(&self) -> impl Iterator<Item = (&str, u64, Option<usize>)> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(position, (name, count))| {
            let index = match &self.location {
                Location::InOrder => Some(position),
                Location::Indices(indices) => indices.get(position).copied().flatten(),
            };
            (name.as_ref(), count.0, index)
        })
    }

    /// The first name that the pool does not have.
    fn first_new(&self) -> Option<&str> {
        match &self.location {
            Location::InOrder => None,
            Location::Indices(indices) => {
                let new = indices.iter().position(Option::is_none)?;
                self.names().nth(new)
            }
        }
    }
}

/// The backend that got a request, and the pool after that.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub backend: &'a Backend,
    pub backends: &'a [Backend],
}

impl LeastConnections {
    /// An empty pool. Reports add backends to it.
    pub fn open() -> Self {
        Self::new([""; 0], Membership::Open)
    }

    /// A pool of these backends, all different. Reports add none.
    pub fn configured<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::new(names, Membership::Closed)
    }

    /// A pool of these backends, all different, until the first report that names any.
    pub fn guessed<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::new(names, Membership::Guessed)
    }

    fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>, membership: Membership) -> Self {
        let names = names.into_iter();
        Self {
            backends: names.map(|name| Backend::new(name.as_ref())).collect(),
            indices: OnceCell::new(),
            membership,
        }
    }

    /// All backends, in the pool's order.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Finds the backends that a report names, for [`route`](Self::route).
    ///
    /// # Errors
    ///
    /// [`Refusal::ListedTwice`] if the report names a backend twice.
    pub fn locate<'a, S: AsRef<str>>(
        &self,
        counts: &'a [(S, Count)],
    ) -> Result<Report<'a, S>, Refusal> {
        let in_order = counts.len() <= self.backends.len()
            && (counts.iter().zip(&self.backends))
                .all(|((name, _), backend)| name.as_ref() == backend.name());
        if in_order {
            return Ok(Report {
                counts,
                location: Location::InOrder,
            });
        }
        let mut seen = vec![false; self.backends.len()];
        let mut new = HashSet::new();
        let mut indices = Vec::with_capacity(counts.len());
        for (name, _) in counts {
            let name = name.as_ref();
            let index = self.find(name);
            let seen_before = if let Some(seen) = index.and_then(|index| seen.get_mut(index)) {
                std::mem::replace(seen, true)
            } else {
                if new.is_empty() {
                    // At most so many are new. Growing would take half as much memory again.
                    new.reserve(counts.len().saturating_sub(indices.len()));
                }
                !new.insert(name)
            };
            if seen_before {
                return Err(Refusal::ListedTwice {
                    name: name.to_owned(),
                    field: "active_connections",
                });
            }
            indices.push(index);
        }
        Ok(Report {
            counts,
            location: Location::Indices(indices),
        })
    }

    /// Routes one request to the backend with the fewest active connections that is not draining.
    ///
    /// A tie goes to the first in the pool's order. First, a `report`'s counts replace the pool's own. `now` is in
    /// milliseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] if the report names a backend that a configured pool does not have, and
    /// [`Refusal::EmptyPool`] or [`Refusal::AllDraining`] if there is nothing to route to.
    #[expect(clippy::indexing_slicing, reason = "`enumerate` made the index")]
    pub fn route<S: AsRef<str>>(
        &mut self,
        report: Option<&Report<'_, S>>,
        now: u64,
    ) -> Result<Decision<'_>, Refusal> {
        if let Some(report) = report {
            self.check(report)?;
            self.apply(report);
        }
        // `min_by_key` returns the first minimum, which is the rule for ties.
        let fewest = (self.backends.iter().enumerate())
            .filter(|(_, backend)| !backend.draining)
            .min_by_key(|(_, backend)| backend.active_connections);
        let Some((index, _)) = fewest else {
            return Err(self.nothing_available());
        };
        let backend = &mut self.backends[index];
        // Cannot overflow: reports stay below 2^53, and the rest would take 2^63 requests.
        backend.active_connections += 1;
        backend.total_requests += 1;
        backend.last_used = now;
        Ok(Decision {
            backend: &self.backends[index],
            backends: &self.backends,
        })
    }

    /// Ends a request that was routed to `backend`.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] if the pool does not have it, [`Refusal::NoneActive`] if it has no active connection.
    pub fn complete(&mut self, backend: &str) -> Result<(), Refusal> {
        let found = self.backend_mut(backend)?;
        match found.active_connections.checked_sub(1) {
            Some(fewer) => found.active_connections = fewer,
            None => return Err(Refusal::NoneActive(backend.to_owned())),
        }
        Ok(())
    }

    /// Takes `backend` out of the choice (`draining`), or puts it back.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] if the pool does not have it.
    pub fn set_draining(&mut self, backend: &str, draining: bool) -> Result<(), Refusal> {
        self.backend_mut(backend)?.draining = draining;
        Ok(())
    }

    /// Checks that the pool can take this report, and that there is a backend to route to then.
    fn check<S: AsRef<str>>(&self, report: &Report<'_, S>) -> Result<(), Refusal> {
        let new = report.first_new();
        if let (Membership::Closed, Some(name)) = (self.membership, new) {
            return Err(self.unknown(name));
        }
        if self.is_replaced_by(report) {
            let mut backends = report.iter().map(|(_, _, index)| self.backends.get(index?));
            // A new backend is not draining.
            if backends.all(|backend| backend.is_some_and(Backend::draining)) {
                return Err(Refusal::AllDraining(Names::of(report.names())));
            }
        } else if new.is_none() && self.backends.iter().all(Backend::draining) {
            return Err(self.nothing_available());
        }
        Ok(())
    }

    /// Takes the counts of a report that [`check`](Self::check) has passed.
    fn apply<S: AsRef<str>>(&mut self, report: &Report<'_, S>) {
        if self.is_replaced_by(report) {
            // First: the indices and the new backends can take 100 MB each.
            self.drop_indices();
            let named = report.iter().map(|(name, count, index)| {
                let known = index.and_then(|index| self.backends.get(index));
                Backend {
                    active_connections: count,
                    ..known.cloned().unwrap_or_else(|| Backend::new(name))
                }
            });
            self.backends = named.collect();
            self.membership = Membership::Open;
            return;
        }
        // Most reports are in order, and need no lookup of each index.
        if let Location::InOrder = report.location {
            for (backend, (_, count)) in self.backends.iter_mut().zip(report.counts) {
                backend.active_connections = count.0;
            }
            return;
        }
        self.reserve(
            report
                .iter()
                .filter(|(_, _, index)| index.is_none())
                .count(),
        );
        for (name, count, index) in report.iter() {
            match index.and_then(|index| self.backends.get_mut(index)) {
                Some(backend) => backend.active_connections = count,
                None => self.push(Backend {
                    active_connections: count,
                    ..Backend::new(name)
                }),
            }
        }
    }

    /// Whether this report replaces a guessed pool.
    fn is_replaced_by<S>(&self, report: &Report<'_, S>) -> bool {
        self.membership == Membership::Guessed && !report.counts.is_empty()
    }

    /// Makes room for new backends. Growing would take half as much memory again.
    fn reserve(&mut self, new: usize) {
        self.backends.reserve(new);
        if let Some(indices) = self.indices.get_mut() {
            indices.reserve(new);
        }
    }

    /// Frees the memory of the indices. The next lookup makes them again.
    pub fn drop_indices(&mut self) {
        self.indices = OnceCell::new();
    }

    fn push(&mut self, backend: Backend) {
        if let Some(indices) = self.indices.get_mut() {
            indices.insert(Rc::clone(&backend.name), self.backends.len());
        }
        self.backends.push(backend);
    }

    /// The index of a backend, if the pool has it.
    fn find(&self, name: &str) -> Option<usize> {
        let indices = self.indices.get_or_init(|| {
            let names = self.backends.iter().map(|backend| Rc::clone(&backend.name));
            names.zip(0..).collect()
        });
        indices.get(name).copied()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`find` returns indices of `backends`"
    )]
    fn backend_mut(&mut self, name: &str) -> Result<&mut Backend, Refusal> {
        match self.find(name) {
            Some(index) => Ok(&mut self.backends[index]),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, backend: &str) -> Refusal {
        Refusal::UnknownBackend {
            backend: backend.to_owned(),
            pool: self.names(),
        }
    }

    fn nothing_available(&self) -> Refusal {
        if self.backends.is_empty() {
            let open = self.membership != Membership::Closed;
            return Refusal::EmptyPool { open };
        }
        Refusal::AllDraining(self.names())
    }

    fn names(&self) -> Names {
        Names::of(self.backends.iter().map(Backend::name))
    }
}

/// Finds the first name that is in a list twice.
pub fn listed_twice<S: AsRef<str>>(names: &[S]) -> Option<&str> {
    let mut names = names.iter().map(AsRef::as_ref);
    // A few names are compared in less time than they are hashed.
    if names.len() <= 8 {
        let all = names.clone();
        let mut numbered = names.enumerate();
        let repeated = numbered.find(|&(index, name)| all.clone().take(index).any(|n| n == name));
        return repeated.map(|(_, name)| name);
    }
    let mut seen = HashSet::with_capacity(names.len());
    names.find(|name| !seen.insert(*name))
}
