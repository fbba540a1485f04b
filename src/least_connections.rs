//! The balancer: which backend gets the next request, and how many active connections each one has.
//!
//! It has no input or output, and no clock: a caller passes the time. Each operation either succeeds, or returns a
//! [`Refusal`] and changes nothing.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::{fmt, mem};

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::error::{Refusal, listed};

/// One backend of the pool and its counters.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Any string, also an empty one.
    pub name: Rc<str>,
    /// The count last reported (0 at the start), plus requests routed and minus completed since then.
    pub active_connections: u64,
    /// The number of requests routed to it.
    pub total_requests: u64,
    /// Only meaningful once `total_requests` is above zero.
    last_used: u64,
    /// Whether it takes no new requests.
    pub draining: bool,
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

    /// The time of the last request routed to it, in milliseconds since the Unix epoch.
    pub fn last_used(&self) -> Option<u64> {
        (self.total_requests > 0).then_some(self.last_used)
    }
}

/// How backends get into the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// Only by configuration.
    Closed,
    /// A report adds the backends that it names.
    Open,
    /// As `Open`, but the pool was guessed: the first report that names backends replaces it by these. Those that it had
    /// keep all but their active connections.
    Guessed,
}

/// An ordered pool of backends. The one with the fewest active connections gets the next request.
#[derive(Debug)]
pub struct LeastConnections {
    backends: Vec<Backend>,
    /// The index in `backends` of each name. Made by the first lookup.
    indices: OnceCell<HashMap<Rc<str>, usize>>,
    /// The indices in `backends` of the last report that was not in the pool's order. The next one is probably in the
    /// same order.
    last_order: Vec<usize>,
    membership: Membership,
}

/// Active connections as a caller reports them: at most 2^53 - 1, which every JSON parser keeps exact.
#[derive(Debug, Clone, Copy)]
pub struct Count(u64);

// Not `#[serde(try_from = "u64")]`, with which messages take up to 7 % longer.
impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;

        impl Visitor<'_> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 0 to 2^53 - 1")
            }

            fn visit_u64<E: Error>(self, count: u64) -> Result<Count, E> {
                if count >= 1 << 53 {
                    return Err(E::invalid_value(Unexpected::Unsigned(count), &self));
                }
                Ok(Count(count))
            }
        }

        deserializer.deserialize_u64(CountVisitor)
    }
}

/// Reported counts, and where in the pool their backends are.
///
/// Made by [`LeastConnections::locate`], and valid until the pool changes.
#[derive(Debug)]
pub struct Report<'a, S> {
    counts: &'a [(S, Count)],
    /// The index in the pool of each backend of the report. New backends have the next indices after the pool's end.
    /// `None` if the report names the pool's first backends in the pool's order, as most reports do.
    indices: Option<Vec<usize>>,
}

impl<S: AsRef<str>> Report<'_, S> {
    fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.counts.iter().map(|(name, _)| name.as_ref())
    }

    /// The first name that is not in the pool, which has `known` backends.
    fn first_new(&self, known: usize) -> Option<&str> {
        let position = (self.indices.as_ref()?.iter()).position(|index| *index >= known);
        self.names().nth(position?)
    }

    /// Each backend's name, count and index.
    fn iter(&self) -> impl Iterator<Item = (&str, u64, usize)> {
        let indices = self.indices.as_ref();
        let counts = self.counts.iter().enumerate();
        counts.map(move |(position, (name, count))| {
            let index = indices.and_then(|indices| indices.get(position));
            (name.as_ref(), count.0, *index.unwrap_or(&position))
        })
    }
}

/// The backend that got a request, and the pool after that.
#[derive(Debug)]
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
            last_order: Vec::new(),
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
        let names = counts.iter().map(|(name, _)| name.as_ref());
        let in_order = counts.len() <= self.backends.len()
            && (names.clone().zip(&self.backends)).all(|(name, own)| is_same(name, &own.name));
        if in_order {
            return Ok(Report {
                counts,
                indices: None,
            });
        }
        let mut seen = vec![false; self.backends.len()];
        let mut new = HashSet::new();
        let mut indices = Vec::with_capacity(counts.len());
        let mut expected = self.last_order.iter();
        for name in names {
            let known = match expected.next() {
                Some(&index) if self.is_at(index, name) => Some(index),
                _ => {
                    // The order differs or ends here. The rest is looked up.
                    expected = [].iter();
                    self.find(name)
                }
            };
            let index = known.unwrap_or(self.backends.len() + new.len());
            let is_repeated = if let Some(seen) = seen.get_mut(index) {
                mem::replace(seen, true)
            } else {
                if new.is_empty() {
                    // At most this many names are left. Growing step by step would take half as much memory again.
                    new.reserve(counts.len() - indices.len());
                }
                !new.insert(name)
            };
            if is_repeated {
                return Err(Refusal::ListedTwice {
                    name: name.to_owned(),
                    field: "active_connections",
                });
            }
            indices.push(index);
        }
        Ok(Report {
            counts,
            indices: Some(indices),
        })
    }

    /// Routes one request: of the backends that are not draining, to the one with the fewest active connections.
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
        report: Option<Report<'_, S>>,
        now: u64,
    ) -> Result<Decision<'_>, Refusal> {
        if let Some(report) = report {
            self.check(&report)?;
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

    /// Stops routing to `backend` (`draining`), or resumes it.
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
        if let Some(name) = report.first_new(self.backends.len()) {
            return match self.membership {
                Membership::Closed => Err(self.unknown(name)),
                // A new backend is not draining.
                Membership::Open | Membership::Guessed => Ok(()),
            };
        }
        if self.is_replaced_by(report) {
            let mut backends = report.iter().map(|(_, _, index)| self.backends.get(index));
            if backends.all(|backend| backend.is_some_and(|backend| backend.draining)) {
                return Err(Refusal::AllDraining(listed(report.names())));
            }
        } else if self.backends.iter().all(|backend| backend.draining) {
            return Err(self.nothing_available());
        }
        Ok(())
    }

    /// Takes the counts of a report that [`check`](Self::check) has passed.
    fn apply<S: AsRef<str>>(&mut self, report: Report<'_, S>) {
        if self.is_replaced_by(&report) {
            // First, because the indices and the new backends can take 100 MB each.
            self.forget_indices();
            let named = report.iter().map(|(name, count, index)| {
                let known = self.backends.get(index);
                Backend {
                    active_connections: count,
                    ..known.cloned().unwrap_or_else(|| Backend::new(name))
                }
            });
            self.backends = named.collect();
            self.membership = Membership::Open;
            return;
        }
        // The usual report is in the pool's order.
        let Some(indices) = &report.indices else {
            for (backend, (_, count)) in self.backends.iter_mut().zip(report.counts) {
                backend.active_connections = count.0;
            }
            return;
        };
        let new = indices
            .iter()
            .filter(|index| **index >= self.backends.len());
        self.reserve(new.count());
        for (name, count, index) in report.iter() {
            match self.backends.get_mut(index) {
                Some(backend) => backend.active_connections = count,
                None => self.push(Backend {
                    active_connections: count,
                    ..Backend::new(name)
                }),
            }
        }
        if let Some(indices) = report.indices {
            self.last_order = indices;
        }
    }

    /// Whether this report replaces a guessed pool.
    fn is_replaced_by<S>(&self, report: &Report<'_, S>) -> bool {
        self.membership == Membership::Guessed && !report.counts.is_empty()
    }

    /// Makes room for new backends. Growing step by step would take half as much memory again.
    fn reserve(&mut self, new: usize) {
        self.backends.reserve(new);
        if let Some(indices) = self.indices.get_mut() {
            indices.reserve(new);
        }
    }

    /// Frees the memory of the indices. The next lookup makes them again.
    pub fn forget_indices(&mut self) {
        self.indices = OnceCell::new();
        self.last_order = Vec::new();
    }

    fn push(&mut self, backend: Backend) {
        if let Some(indices) = self.indices.get_mut() {
            indices.insert(Rc::clone(&backend.name), self.backends.len());
        }
        self.backends.push(backend);
    }

    /// Whether the backend at this index has this name.
    fn is_at(&self, index: usize, name: &str) -> bool {
        let backend = self.backends.get(index);
        backend.is_some_and(|backend| is_same(&backend.name, name))
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

    fn names(&self) -> String {
        listed(self.backends.iter().map(|backend| &*backend.name))
    }
}

/// Finds the first name that repeats an earlier one.
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

/// Whether two names are the same.
///
/// `==` calls `memcmp`, which takes a tenth of the time of a report. Most names are short enough to do without.
fn is_same(a: &str, b: &str) -> bool {
    /// The first and the last `N` bytes. Together they are all of a name of `N` to `2 * N` bytes.
    fn ends<const N: usize>(name: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
        (name.first_chunk(), name.last_chunk())
    }

    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.len() == b.len()
        && match a.len() {
            4..=8 => ends::<4>(a) == ends(b),
            9..=16 => ends::<8>(a) == ends(b),
            _ => a == b,
        }
}
