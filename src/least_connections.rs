//! The balancer: which backend gets the next request, and how many requests each one is busy with.
//!
//! It knows nothing of JSON, reads and writes nothing, and has no clock: a caller says what time it is. Every
//! operation either happens whole or is refused and changes nothing.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::error::Refusal;

/// One backend of the pool and its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    name: Rc<str>,
    active_connections: u64,
    total_requests: u64,
    last_used: Option<u64>,
}

impl Backend {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            active_connections: 0,
            total_requests: 0,
            last_used: None,
        }
    }

    /// The name that requests and replies call it by: any text, also empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests it is busy with: last reported (or 0 at the start) + routed - completed since then.
    #[must_use]
    pub fn active_connections(&self) -> u64 {
        self.active_connections
    }

    /// How many requests were routed to it since the pool was set up.
    #[must_use]
    pub fn total_requests(&self) -> u64 {
        self.total_requests
    }

    /// When the last request was routed to it, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn last_used(&self) -> Option<u64> {
        self.last_used
    }
}

/// Who may bring a backend into the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// Nobody: the pool was configured.
    Closed,
    /// Every report of active connections.
    Open,
    /// As `Open`, and the first report that names a backend replaces the backends there are, which were guessed.
    Guessed,
}

/// An ordered pool of backends, of which the one with the fewest active connections gets the next request.
#[derive(Debug, Clone)]
pub struct LeastConnections {
    backends: Vec<Backend>,
    /// Where in `backends` each name stands.
    places: HashMap<Rc<str>, usize>,
    membership: Membership,
}

/// Active connections as a caller counts them, and for each backend that it names its place in the pool.
///
/// Made by [`LeastConnections::place`], and good for the pool as it was then.
#[derive(Debug)]
pub struct Report<'a> {
    counts: &'a [(Cow<'a, str>, u64)],
    /// For each of `counts`, where in the pool its backend stands, if it does. `None` where they follow the pool from
    /// its beginning, as most reports do: nothing has to be looked up then.
    places: Option<Vec<Option<usize>>>,
}

impl Report<'_> {
    fn iter(&self) -> impl Iterator<Item = (&str, u64, Option<usize>)> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(index, (name, count))| {
            let place = match &self.places {
                None => Some(index),
                Some(places) => places.get(index).copied().flatten(),
            };
            (name.as_ref(), *count, place)
        })
    }
}

/// Where a request was routed to, and the pool after that.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The backend that got the request.
    pub backend: &'a Backend,
    /// All backends, in the pool's order.
    pub backends: &'a [Backend],
}

impl LeastConnections {
    /// A pool without backends, which every report may bring some into.
    #[must_use]
    pub fn open() -> Self {
        Self::new::<&str>(&[], Membership::Open)
    }

    /// A pool of just these backends. No name may stand in the list twice.
    #[must_use]
    pub fn configured<S: AsRef<str>>(names: &[S]) -> Self {
        Self::new(names, Membership::Closed)
    }

    /// An open pool with these backends, until a report says which there are. No name may stand in the list twice.
    #[must_use]
    pub fn guessed<S: AsRef<str>>(names: &[S]) -> Self {
        Self::new(names, Membership::Guessed)
    }

    fn new<S: AsRef<str>>(names: &[S], membership: Membership) -> Self {
        let mut pool = Self {
            backends: Vec::with_capacity(names.len()),
            places: HashMap::with_capacity(names.len()),
            membership,
        };
        for name in names {
            pool.push(Backend::new(name.as_ref()));
        }
        pool
    }

    /// All backends, in the pool's order.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Finds the backends that a caller's counts name. Whether the pool takes all of them in is for
    /// [`route`](Self::route) to say.
    ///
    /// # Errors
    ///
    /// [`Refusal::NamedTwice`] where one backend has two counts.
    pub fn place<'a>(&self, counts: &'a [(Cow<'a, str>, u64)]) -> Result<Report<'a>, Refusal> {
        let follows_pool = counts.len() <= self.backends.len()
            && counts
                .iter()
                .zip(&self.backends)
                .all(|((name, _), backend)| *name == *backend.name);
        if follows_pool {
            return Ok(Report {
                counts,
                places: None,
            });
        }
        let mut seen = vec![false; self.backends.len()];
        let mut strangers = HashSet::new();
        let mut places = Vec::with_capacity(counts.len());
        for (name, _) in counts {
            let place = self.find(name);
            let named_before = match place.and_then(|place| seen.get_mut(place)) {
                Some(seen) => std::mem::replace(seen, true),
                None => !strangers.insert(name),
            };
            if named_before {
                return Err(Refusal::NamedTwice {
                    field: "active_connections",
                    name: name.to_string(),
                });
            }
            places.push(place);
        }
        Ok(Report {
            counts,
            places: Some(places),
        })
    }

    /// Routes one request: to the backend with the fewest active connections, on a tie to the first in the pool's
    /// order. The counts of a `report` replace the pool's own before that. `now` is in milliseconds since the Unix
    /// epoch.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] where the report names a backend that a configured pool does not have, and
    /// [`Refusal::EmptyPool`] where there is none at all.
    #[expect(clippy::indexing_slicing, reason = "`fewest` is a place in the pool")]
    pub fn route(
        &mut self,
        report: Option<&Report<'_>>,
        now: u64,
    ) -> Result<Decision<'_>, Refusal> {
        if let Some(report) = report {
            self.take(report)?;
        }
        let Some(place) = self.fewest() else {
            let open = self.membership != Membership::Closed;
            return Err(Refusal::EmptyPool { open });
        };
        let backend = &mut self.backends[place];
        // Cannot overflow: reports stay below 2^53, and the rest would take 2^63 requests.
        backend.active_connections += 1;
        backend.total_requests += 1;
        backend.last_used = Some(now);
        Ok(Decision {
            backend: &self.backends[place],
            backends: &self.backends,
        })
    }

    /// The place of the backend with the fewest active connections: the first that has the smallest count there is.
    fn fewest(&self) -> Option<usize> {
        let counts = || self.backends.iter().map(Backend::active_connections);
        let smallest = counts().min()?;
        counts().position(|count| count == smallest)
    }

    /// Ends a request that was routed to `backend`.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownBackend`] where the pool does not have it, [`Refusal::NoneActive`] where it has no request
    /// that could end.
    pub fn complete(&mut self, backend: &str) -> Result<(), Refusal> {
        let place = self.find(backend);
        let Some(found) = place.and_then(|place| self.backends.get_mut(place)) else {
            return Err(self.unknown(backend));
        };
        match found.active_connections.checked_sub(1) {
            Some(fewer) => found.active_connections = fewer,
            None => return Err(Refusal::NoneActive(backend.to_owned())),
        }
        Ok(())
    }

    /// Takes a report over, whole or not at all.
    fn take(&mut self, report: &Report<'_>) -> Result<(), Refusal> {
        let stranger = report.iter().find(|(_, _, place)| place.is_none());
        if let (Membership::Closed, Some((name, _, _))) = (self.membership, stranger) {
            return Err(self.unknown(name));
        }
        if self.membership == Membership::Guessed && !report.counts.is_empty() {
            // What was routed to a backend of the guess stays true of it if it turns out to be one.
            let guess = std::mem::replace(self, Self::open());
            for (name, count, place) in report.iter() {
                let guessed = place.and_then(|place| guess.backends.get(place));
                let mut backend = guessed.cloned().unwrap_or_else(|| Backend::new(name));
                backend.active_connections = count;
                self.push(backend);
            }
            return Ok(());
        }
        for (name, count, place) in report.iter() {
            match place.and_then(|place| self.backends.get_mut(place)) {
                Some(backend) => backend.active_connections = count,
                None => self.push(Backend {
                    active_connections: count,
                    ..Backend::new(name)
                }),
            }
        }
        Ok(())
    }

    /// Where `name` stands in the pool.
    fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn push(&mut self, backend: Backend) {
        self.places
            .insert(Rc::clone(&backend.name), self.backends.len());
        self.backends.push(backend);
    }

    fn unknown(&self, backend: &str) -> Refusal {
        Refusal::unknown_backend(backend, self.backends.iter().map(Backend::name))
    }
}

/// The first name that stands in a list twice.
pub fn named_twice<S: AsRef<str>>(names: &[S]) -> Option<&str> {
    let mut seen = HashSet::new();
    names
        .iter()
        .map(AsRef::as_ref)
        .find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes one request, with what a caller reports before it, and returns the name of the backend.
    fn route(
        pool: &mut LeastConnections,
        report: &[(&str, u64)],
        now: u64,
    ) -> Result<String, Refusal> {
        let counts: Vec<_> = report
            .iter()
            .map(|&(name, count)| (Cow::from(name), count))
            .collect();
        let report = pool.place(&counts)?;
        let report = (!counts.is_empty()).then_some(&report);
        pool.route(report, now)
            .map(|decision| decision.backend.name().to_owned())
    }

    fn counts(pool: &LeastConnections) -> Vec<(&str, u64)> {
        pool.backends()
            .iter()
            .map(|backend| (backend.name(), backend.active_connections()))
            .collect()
    }

    #[test]
    fn a_tie_goes_to_the_first_in_the_pools_order() {
        let mut pool = LeastConnections::configured(&["b", "a", "c"]);
        let routed: Vec<_> = (0..7)
            .map(|now| route(&mut pool, &[], now).unwrap())
            .collect();
        assert_eq!(routed, ["b", "a", "c", "b", "a", "c", "b"]);
    }

    #[test]
    fn a_decision_counts_at_the_chosen_backend_alone() {
        let mut pool = LeastConnections::configured(&["a", "b"]);
        let decision = pool.route(None, 17).unwrap();
        assert_eq!(decision.backend, &decision.backends[0]);
        let counters = |backend: &Backend| {
            (
                backend.active_connections(),
                backend.total_requests(),
                backend.last_used(),
            )
        };
        assert_eq!(counters(&decision.backends[0]), (1, 1, Some(17)));
        assert_eq!(counters(&decision.backends[1]), (0, 0, None));
    }

    #[test]
    fn a_completion_takes_one_and_never_goes_below_zero() {
        let mut pool = LeastConnections::configured(&["a", "b"]);
        route(&mut pool, &[("a", 2), ("b", 1)], 0).unwrap();
        assert_eq!(pool.complete("b"), Ok(()));
        assert_eq!(counts(&pool), [("a", 2), ("b", 1)]);
        assert_eq!(pool.complete("b"), Ok(()));
        assert_eq!(pool.complete("b"), Err(Refusal::NoneActive("b".to_owned())));
        assert_eq!(counts(&pool), [("a", 2), ("b", 0)]);
    }

    #[test]
    fn a_closed_pool_takes_a_report_whole_or_not_at_all() {
        let mut pool = LeastConnections::configured(&["a", "b"]);
        let refusal = Refusal::UnknownBackend {
            backend: "c".to_owned(),
            pool: vec!["a".to_owned(), "b".to_owned()],
            more: 0,
        };
        assert_eq!(
            route(&mut pool, &[("a", 5), ("b", 5), ("c", 5)], 0),
            Err(refusal)
        );
        assert_eq!(counts(&pool), [("a", 0), ("b", 0)]);
    }

    #[test]
    fn an_open_pool_takes_strangers_in_behind_those_it_has() {
        let mut pool = LeastConnections::open();
        assert_eq!(
            route(&mut pool, &[("b", 1), ("a", 1)], 0),
            Ok("b".to_owned())
        );
        assert_eq!(
            route(&mut pool, &[("c", 0), ("a", 4)], 0),
            Ok("c".to_owned())
        );
        assert_eq!(counts(&pool), [("b", 2), ("a", 4), ("c", 1)]);
    }

    #[test]
    fn a_guess_gives_way_to_the_first_report_and_what_it_counted_of_those_named_stays() {
        let mut pool = LeastConnections::guessed(&["a", "b"]);
        assert_eq!(route(&mut pool, &[], 3), Ok("a".to_owned()));
        assert_eq!(
            route(&mut pool, &[("c", 9), ("a", 8)], 4),
            Ok("a".to_owned())
        );
        assert_eq!(counts(&pool), [("c", 9), ("a", 9)]);
        assert_eq!(pool.backends()[1].total_requests(), 2);
        assert_eq!(route(&mut pool, &[("d", 1)], 5), Ok("d".to_owned()));
        assert_eq!(counts(&pool), [("c", 9), ("a", 9), ("d", 2)]);
    }

    #[test]
    fn a_report_in_any_order_finds_its_backends() {
        for report in [
            [("a", 1), ("b", 2), ("c", 3)],
            [("c", 3), ("a", 1), ("b", 2)],
        ] {
            let mut pool = LeastConnections::configured(&["a", "b", "c"]);
            route(&mut pool, &report, 0).unwrap();
            assert_eq!(counts(&pool), [("a", 2), ("b", 2), ("c", 3)]);
        }
    }

    #[test]
    fn a_report_names_a_backend_once() {
        let pool = LeastConnections::configured(&["a", "b"]);
        for (report, name) in [
            (["a", "b", "a"], "a"),
            (["b", "a", "a"], "a"),
            (["x", "a", "x"], "x"),
        ] {
            let counts = report.map(|name| (Cow::from(name), 0));
            let (field, name) = ("active_connections", name.to_owned());
            assert_eq!(
                pool.place(&counts).err(),
                Some(Refusal::NamedTwice { field, name })
            );
        }
    }

    #[test]
    fn an_empty_pool_says_whether_a_request_could_fill_it() {
        let none: &[&str] = &[];
        for (mut pool, open) in [
            (LeastConnections::open(), true),
            (LeastConnections::guessed(none), true),
            (LeastConnections::configured(none), false),
        ] {
            assert_eq!(pool.route(None, 0), Err(Refusal::EmptyPool { open }));
        }
    }
}
