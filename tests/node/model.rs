//! The program against a second, naive model of the contract, which is meant to be obviously right and shares no code
//! with it; and against three rules that can be checked from a transcript alone.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::slice;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::support::{Random, run, shortest, without_times};

/// One message of a conversation.
#[derive(Debug, Clone)]
enum Ask {
    Init {
        backends: Option<Vec<String>>,
        algorithm: Option<&'static str>,
        node_id: Option<String>,
        node_ids: Option<Vec<String>>,
    },
    /// Counts are as they are written, so that they can be wrong.
    Request {
        algorithm: Option<&'static str>,
        report: Option<Vec<(String, String)>>,
    },
    Complete {
        backend: Option<String>,
    },
    Stats,
    Echo,
    Unknown,
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| json(name)).collect();
    format!("[{}]", names.join(","))
}

impl Ask {
    /// The message, as an envelope on a line.
    fn line(&self, msg_id: usize) -> String {
        let mut body = String::new();
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                write!(body, ",\"{key}\":{value}").expect("a string takes all");
            }
        };
        let kind = match self {
            Self::Init {
                backends,
                algorithm,
                node_id,
                node_ids,
            } => {
                add("backends", backends.as_deref().map(list));
                add("algorithm", algorithm.map(json));
                add("node_id", node_id.as_deref().map(json));
                add("node_ids", node_ids.as_deref().map(list));
                "init"
            }
            Self::Request { algorithm, report } => {
                add("algorithm", algorithm.map(json));
                let counts = report.as_ref().map(|report| {
                    let counts: Vec<_> = report
                        .iter()
                        .map(|(name, count)| format!("{}:{count}", json(name)))
                        .collect();
                    format!("{{{}}}", counts.join(","))
                });
                add("active_connections", counts);
                "http_request"
            }
            Self::Complete { backend } => {
                add("backend", backend.as_deref().map(json));
                "request_complete"
            }
            Self::Stats => "stats",
            Self::Echo => {
                add("echo", Some("[1.0]".to_owned()));
                "echo"
            }
            Self::Unknown => "nonsense",
        };
        format!(
            "{{\"src\":\"c\",\"dest\":\"n\",\"body\":{{\"type\":\"{kind}\",\"msg_id\":{msg_id}{body}}}}}\n"
        )
    }
}

#[derive(Debug, Clone)]
struct Backend {
    name: String,
    active: u64,
    total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pool {
    Configured,
    Open,
    Guessed,
}

#[derive(Debug)]
struct Model {
    command_line: Vec<String>,
    pool: Pool,
    backends: Vec<Backend>,
}

fn fresh(name: &str) -> Backend {
    Backend {
        name: name.to_owned(),
        active: 0,
        total: 0,
    }
}

/// Whether some name stands there twice.
fn repeats(names: &[String]) -> bool {
    (1..names.len()).any(|index| names[..index].contains(&names[index]))
}

impl Model {
    fn new(command_line: &[&str]) -> Self {
        let mut model = Self {
            command_line: command_line.iter().map(|&name| name.to_owned()).collect(),
            pool: Pool::Open,
            backends: Vec::new(),
        };
        model.start();
        model
    }

    fn start(&mut self) {
        let pool = if self.command_line.is_empty() {
            Pool::Open
        } else {
            Pool::Configured
        };
        self.set_up(pool, self.command_line.clone());
    }

    fn set_up(&mut self, pool: Pool, names: Vec<String>) {
        self.pool = pool;
        self.backends = names.into_iter().map(|name| fresh(&name)).collect();
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.backends
            .iter()
            .position(|backend| backend.name == name)
    }

    /// The reply's `type`, and what comes behind its `in_reply_to`; or the code of the error.
    fn answer(&mut self, ask: &Ask) -> Result<(&'static str, String), u16> {
        match ask {
            Ask::Init {
                backends,
                algorithm,
                node_id,
                node_ids,
            } => self.init(
                backends.as_deref(),
                *algorithm,
                node_id.as_ref(),
                node_ids.as_deref(),
            ),
            Ask::Request { algorithm, report } => self.request(*algorithm, report.as_deref()),
            Ask::Complete { backend } => self.complete(backend.as_deref()),
            Ask::Stats => Ok(("stats_ok", self.stats())),
            Ask::Echo => Ok(("echo_ok", ", \"echo\": [1.0]".to_owned())),
            Ask::Unknown => Err(10),
        }
    }

    fn init(
        &mut self,
        backends: Option<&[String]>,
        algorithm: Option<&str>,
        node_id: Option<&String>,
        node_ids: Option<&[String]>,
    ) -> Result<(&'static str, String), u16> {
        if [backends, node_ids].into_iter().flatten().any(repeats) {
            return Err(12);
        }
        if algorithm.is_some_and(|algorithm| algorithm != "least-connections") {
            return Err(10);
        }
        match (backends, node_ids) {
            (Some(backends), _) => self.set_up(Pool::Configured, backends.to_vec()),
            (None, Some(ids)) if self.command_line.is_empty() => {
                let others = ids.iter().filter(|id| Some(*id) != node_id);
                self.set_up(Pool::Guessed, others.cloned().collect());
            }
            (None, _) => self.start(),
        }
        Ok(("init_ok", String::new()))
    }

    fn request(
        &mut self,
        algorithm: Option<&str>,
        report: Option<&[(String, String)]>,
    ) -> Result<(&'static str, String), u16> {
        let reported = report.unwrap_or_default();
        let names: Vec<_> = reported.iter().map(|(name, _)| name.clone()).collect();
        let wrong = |count: &String| count.parse::<u64>().map_or(true, |count| count >= 1 << 53);
        if repeats(&names) || reported.iter().any(|(_, count)| wrong(count)) {
            return Err(12);
        }
        if algorithm.is_some_and(|algorithm| algorithm != "least-connections") {
            return Err(10);
        }
        if self.pool == Pool::Configured && names.iter().any(|name| self.find(name).is_none()) {
            return Err(20);
        }
        if self.backends.is_empty() && names.is_empty() {
            return Err(11);
        }
        if self.pool == Pool::Guessed && !names.is_empty() {
            // What it counted of a backend that is named stays true; the others were never there.
            let guess = std::mem::take(&mut self.backends);
            for name in &names {
                let known = guess.iter().find(|backend| backend.name == *name);
                self.backends.push(known.cloned().unwrap_or(fresh(name)));
            }
            self.pool = Pool::Open;
        }
        for (name, count) in reported {
            if self.find(name).is_none() {
                self.backends.push(fresh(name));
            }
            let place = self.find(name).expect("it has just been put there");
            self.backends[place].active = count.parse().expect("it has just been checked");
        }
        let mut best = 0;
        for place in 1..self.backends.len() {
            if self.backends[place].active < self.backends[best].active {
                best = place;
            }
        }
        self.backends[best].active += 1;
        self.backends[best].total += 1;
        let backend = json(&self.backends[best].name);
        let rest = match report {
            Some(_) => format!(", \"backend\": {backend}"),
            None => format!(
                ", \"status\": 200, \"backend\": {backend}, \"active_connections\": {}",
                self.counts()
            ),
        };
        Ok(("http_response", rest))
    }

    fn complete(&mut self, backend: Option<&str>) -> Result<(&'static str, String), u16> {
        let backend = backend.ok_or(12u16)?;
        let place = self.find(backend).ok_or(20u16)?;
        if self.backends[place].active == 0 {
            return Err(22);
        }
        self.backends[place].active -= 1;
        let (backend, counts) = (json(backend), self.counts());
        let rest = format!(", \"backend\": {backend}, \"active_connections\": {counts}");
        Ok(("request_complete_ok", rest))
    }

    fn counts(&self) -> String {
        let count = |backend: &Backend| format!("{}: {}", json(&backend.name), backend.active);
        let counts: Vec<_> = self.backends.iter().map(count).collect();
        format!("{{{}}}", counts.join(", "))
    }

    fn stats(&self) -> String {
        let counters = |backend: &Backend| {
            let last_used = if backend.total > 0 { "1" } else { "null" };
            format!(
                "{}: {{\"active_connections\": {}, \"total_requests\": {}, \"last_used\": {last_used}}}",
                json(&backend.name),
                backend.active,
                backend.total
            )
        };
        let backends: Vec<_> = self.backends.iter().map(counters).collect();
        format!(", \"backends\": {{{}}}", backends.join(", "))
    }

    /// The reply, or as much of it as the contract settles: of an error, all but the text.
    fn reply(&mut self, ask: &Ask, msg_id: usize) -> String {
        let (kind, rest) = match self.answer(ask) {
            Ok((kind, rest)) => (kind, format!("{rest}}}}}")),
            Err(code) => ("error", format!(", \"code\": {code}, \"text\": \"")),
        };
        format!(
            "{{\"src\": \"n\", \"dest\": \"c\", \"body\": {{\"type\": \"{kind}\", \"in_reply_to\": {msg_id}{rest}"
        )
    }
}

/// The first message whose reply is not what the model says, with both.
fn difference(command_line: &[&str], asks: &[Ask]) -> Option<(usize, String)> {
    let input: String = asks
        .iter()
        .enumerate()
        .map(|(msg_id, ask)| ask.line(msg_id))
        .collect();
    let said = run(command_line, &input);
    let mut model = Model::new(command_line);
    let replies = without_times(&said.replies);
    let mut replies = replies.lines();
    for (msg_id, ask) in asks.iter().enumerate() {
        let (expected, reply) = (model.reply(ask, msg_id), replies.next().unwrap_or_default());
        let same = if expected.ends_with('"') {
            reply.starts_with(&expected)
        } else {
            reply == expected
        };
        if !same {
            return Some((msg_id, format!("model:   {expected}\nprogram: {reply}")));
        }
    }
    let end = (replies.next(), said.remarks.as_str(), said.status);
    (end != (None, "", Some(0))).then(|| (asks.len(), format!("at the end: {end:?}")))
}

/// Fails with the shortest conversation that it can find, if there is any in which program and model differ.
#[track_caller]
fn assert_same(command_line: &[&str], asks: &[Ask], origin: &str) {
    if let Some((at, _)) = difference(command_line, asks) {
        let until = &asks[..asks.len().min(at + 1)];
        let short = shortest(until, |asks| difference(command_line, asks).is_some());
        let input: String = short
            .iter()
            .enumerate()
            .map(|(msg_id, ask)| ask.line(msg_id))
            .collect();
        let (_, difference) = difference(command_line, &short).expect("it was there a moment ago");
        panic!("{origin}, command line {command_line:?}\n{input}{difference}");
    }
}

fn request(report: Option<Vec<(String, String)>>) -> Ask {
    Ask::Request {
        algorithm: None,
        report,
    }
}

fn init(backends: Option<Vec<String>>, node_ids: Option<Vec<String>>) -> Ask {
    Ask::Init {
        backends,
        algorithm: None,
        node_id: None,
        node_ids,
    }
}

/// All lists of `length` of these digits.
fn all(digits: &[u64], length: usize) -> Vec<Vec<u64>> {
    let mut lists = vec![Vec::new()];
    for _ in 0..length {
        lists = lists
            .into_iter()
            .flat_map(|list| {
                digits
                    .iter()
                    .map(move |&digit| [&list[..], &[digit]].concat())
            })
            .collect();
    }
    lists
}

/// Every request there is for a pool of these names: each backend, each report of counts 0 to 2 for each subset of
/// names, with and without a name that nobody knows, in both directions, and every error.
fn every_request(names: &[String]) -> Vec<Ask> {
    const ABSENT: u64 = 3;
    let stranger = ("x".to_owned(), "1".to_owned());
    let mut asks = vec![
        request(None),
        Ask::Stats,
        Ask::Echo,
        Ask::Unknown,
        Ask::Complete { backend: None },
    ];
    for name in names.iter().map(String::as_str).chain(["x", ""]) {
        asks.push(Ask::Complete {
            backend: Some(name.to_owned()),
        });
    }
    for counts in all(&[0, 1, 2, ABSENT], names.len()) {
        let chosen = names
            .iter()
            .zip(counts)
            .filter(|(_, count)| *count != ABSENT);
        let report: Vec<_> = chosen
            .map(|(name, count)| (name.clone(), count.to_string()))
            .collect();
        let reversed: Vec<_> = report.iter().rev().cloned().collect();
        for report in [report, reversed] {
            asks.push(request(Some(
                [slice::from_ref(&stranger), &report].concat(),
            )));
            asks.push(request(Some(
                [&report[..], slice::from_ref(&stranger)].concat(),
            )));
            asks.push(request(Some(report)));
        }
    }
    let zero = |name: &str| (name.to_owned(), "0".to_owned());
    for name in names.iter().map(String::as_str).chain(["x"]) {
        let mut several: Vec<_> = names.iter().map(|name| zero(name)).collect();
        several.push(zero(name));
        asks.push(request(Some(several)));
        asks.push(request(Some(vec![zero(name), zero(name)])));
        for count in ["-1", "9007199254740992", "1.0", "null", "\"1\""] {
            asks.push(request(Some(vec![(name.to_owned(), count.to_owned())])));
        }
        asks.push(Ask::Request {
            algorithm: Some("random"),
            report: Some(vec![zero(name)]),
        });
        asks.push(Ask::Request {
            algorithm: Some("random"),
            report: Some(vec![zero(name), zero(name)]),
        });
    }
    asks.push(Ask::Request {
        algorithm: Some("random"),
        report: None,
    });
    asks.push(Ask::Request {
        algorithm: Some("least-connections"),
        report: None,
    });
    for algorithm in [None, Some("least-connections"), Some("random")] {
        for list in [
            None,
            Some(vec![]),
            Some(vec!["a".to_owned()]),
            Some(vec!["x".to_owned(), "x".to_owned()]),
        ] {
            for node_id in [None, Some("a".to_owned())] {
                asks.push(Ask::Init {
                    backends: list.clone(),
                    algorithm,
                    node_id: node_id.clone(),
                    node_ids: None,
                });
                asks.push(Ask::Init {
                    backends: None,
                    algorithm,
                    node_id,
                    node_ids: list.clone(),
                });
            }
        }
    }
    asks
}

/// The way from an `init` to a pool of these names with these counts.
fn way_to(pool: Pool, names: &[String], counts: &[u64]) -> Vec<Ask> {
    let mut way = match pool {
        Pool::Configured => vec![init(Some(names.to_vec()), None)],
        Pool::Guessed => vec![init(None, Some(names.to_vec()))],
        Pool::Open => vec![init(None, None)],
    };
    if pool == Pool::Open && !names.is_empty() {
        way.push(request(Some(
            names
                .iter()
                .map(|name| (name.clone(), "0".to_owned()))
                .collect(),
        )));
        way.push(Ask::Complete {
            backend: names.first().cloned(),
        });
    }
    // Twice round, which makes two at each backend, and then as many back as are too many.
    way.resize(way.len() + 2 * names.len(), request(None));
    for (name, &count) in names.iter().zip(counts) {
        let complete = Ask::Complete {
            backend: Some(name.clone()),
        };
        way.resize(
            way.len() + usize::try_from(2 - count).expect("it is small"),
            complete,
        );
    }
    way
}

#[test]
fn every_request_from_every_state_of_a_small_pool_does_what_the_model_does() {
    for pool in [Pool::Configured, Pool::Open, Pool::Guessed] {
        let mut asks = Vec::new();
        for length in 0..=3 {
            let names: Vec<_> = ["a", "b", "c"][..length]
                .iter()
                .map(|&name| name.to_owned())
                .collect();
            for counts in all(&[0, 1, 2], length) {
                for ask in every_request(&names) {
                    asks.extend(way_to(pool, &names, &counts));
                    // The state that is asked, the request, and the state after it: the pool's members show in what
                    // it does with a name that nobody knows.
                    asks.extend([
                        Ask::Stats,
                        ask,
                        Ask::Stats,
                        request(Some(vec![("y".to_owned(), "0".to_owned())])),
                        Ask::Stats,
                    ]);
                }
            }
        }
        assert_same(&[], &asks, "exhaustively");
    }
}

#[test]
fn an_init_goes_back_to_the_command_line_as_the_model_does() {
    let names = vec!["a".to_owned(), "b".to_owned()];
    let mut asks = Vec::new();
    for ask in every_request(&names) {
        asks.extend([
            init(None, Some(vec!["n".to_owned()])),
            request(None),
            ask,
            Ask::Stats,
        ]);
    }
    assert_same(&["b", "a"], &asks, "with a command line");
}

/// A conversation over a pool of up to 50 backends, with mistakes in it.
fn random_conversation(random: &mut Random, length: usize) -> Vec<Ask> {
    let mut known: Vec<String> = (0..=random.below(50))
        .map(|number| format!("api-{number}"))
        .collect();
    known.extend(["", "é😀", "quo\"te\\", "\u{1}\n"].map(str::to_owned));
    let count = 1 + random.below(known.len());
    let rotation = random.below(known.len());
    known.rotate_left(rotation);
    let pool = known[..count].to_vec();
    let mut asks = vec![match random.below(4) {
        0 => init(None, None),
        1 => init(None, Some(pool.clone())),
        _ => init(Some(pool.clone()), None),
    }];
    while asks.len() < length {
        asks.push(match random.below(100) {
            0 => Ask::Unknown,
            1 => Ask::Echo,
            2..10 => Ask::Stats,
            10 => Ask::Complete { backend: None },
            11 => Ask::Request {
                algorithm: Some("random"),
                report: None,
            },
            12 if random.below(10) == 0 => init(Some(pool.clone()), None),
            12..45 => Ask::Complete {
                backend: Some(random.pick(&known).clone()),
            },
            45..80 => request(None),
            _ => {
                let from = if random.below(8) == 0 { &known } else { &pool };
                let mut report = Vec::new();
                for name in from {
                    if random.below(3) > 0 {
                        let count = if random.below(200) == 0 {
                            "-1".to_owned()
                        } else {
                            random.below(12).to_string()
                        };
                        report.push((name.clone(), count));
                    }
                }
                if random.below(3) == 0 && !report.is_empty() {
                    let (one, other) = (random.below(report.len()), random.below(report.len()));
                    report.swap(one, other);
                    if random.below(8) == 0 {
                        report[one] = report[other].clone();
                    }
                }
                request(Some(report))
            }
        });
    }
    asks
}

#[test]
fn two_hundred_thousand_random_messages_do_what_the_model_does() {
    for seed in 0..200 {
        let command_line: &[&str] = if seed % 5 == 0 {
            &["api-3", "api-1"]
        } else {
            &[]
        };
        let asks = random_conversation(&mut Random(seed), 1000);
        assert_same(command_line, &asks, &format!("seed {seed}"));
    }
}

/// The counters of all backends, in their order, as a reply tells them.
#[derive(Debug, Clone, PartialEq)]
struct InOrder<T>(Vec<(String, T)>);

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Counters {
    active_connections: u64,
    total_requests: u64,
}

#[derive(Debug, Deserialize)]
struct Reply {
    body: ReplyBody,
}

#[derive(Debug, Deserialize)]
struct ReplyBody {
    r#type: String,
    backend: Option<String>,
    active_connections: Option<InOrder<u64>>,
    backends: Option<InOrder<Counters>>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = InOrder<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

/// Checks a transcript in which every message is followed by `stats`: nothing is lost or made up, and every decision
/// was for the smallest count. Knows what was asked and what was replied, and nothing of the model.
#[track_caller]
fn assert_lawful(asks: &[Ask], replies: &str, seed: u64) {
    // For each backend: last reported (or 0) + routed - completed since.
    let mut accounts: BTreeMap<String, i128> = BTreeMap::new();
    let mut before: InOrder<Counters> = InOrder(Vec::new());
    let replies: Vec<Reply> = replies
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is a reply"))
        .collect();
    assert_eq!(replies.len(), 2 * asks.len(), "seed {seed}");
    for (ask, pair) in asks.iter().zip(replies.chunks(2)) {
        let (reply, after) = (
            &pair[0].body,
            pair[1].body.backends.clone().expect("stats tell them"),
        );
        let context = || format!("seed {seed}\n{before:?}\n{ask:?}\n{reply:?}\n{after:?}");
        match (ask, reply.r#type.as_str()) {
            (_, "error") => assert_eq!(after, before, "an error changes nothing: {}", context()),
            (Ask::Init { .. }, _) => {
                accounts = after.0.iter().map(|(name, _)| (name.clone(), 0)).collect();
            }
            (Ask::Request { report, .. }, _) => {
                for (name, count) in report.iter().flatten() {
                    accounts.insert(name.clone(), count.parse().expect("it was taken"));
                }
                let chosen = reply.backend.as_ref().expect("it says where");
                *accounts.get_mut(chosen).expect("it is in the pool") += 1;
                let place = after
                    .0
                    .iter()
                    .position(|(name, _)| name == chosen)
                    .expect("it is in the pool");
                let found = |at: usize| after.0[at].1.active_connections - u64::from(at == place);
                let smallest = (0..after.0.len()).map(found).min().expect("it is in there");
                assert_eq!(found(place), smallest, "the smallest count: {}", context());
                assert!(
                    (0..place).all(|earlier| found(earlier) > smallest),
                    "and the first: {}",
                    context()
                );
            }
            (Ask::Complete { backend }, _) => {
                let backend = backend.as_ref().expect("it was taken");
                *accounts.get_mut(backend).expect("it is in the pool") -= 1;
            }
            _ => assert_eq!(after, before, "it only looks: {}", context()),
        }
        for (name, counters) in &after.0 {
            assert_eq!(
                i128::from(counters.active_connections),
                accounts[name],
                "{name:?} is conserved: {}",
                context()
            );
        }
        if let Some(InOrder(counts)) = &reply.active_connections {
            let told: Vec<_> = after
                .0
                .iter()
                .map(|(name, counters)| (name.clone(), counters.active_connections))
                .collect();
            assert_eq!(
                *counts,
                told,
                "the reply tells the counts after it: {}",
                context()
            );
        }
        if matches!(
            ask,
            Ask::Complete { .. } | Ask::Request { report: None, .. }
        ) {
            let active = |pool: &InOrder<Counters>| {
                pool.0
                    .iter()
                    .map(|(_, counters)| counters.active_connections)
                    .collect::<Vec<_>>()
            };
            let moved: u64 = active(&before)
                .iter()
                .zip(active(&after))
                .map(|(&before, after)| before.abs_diff(after))
                .sum();
            assert_eq!(
                moved,
                u64::from(reply.r#type != "error"),
                "one counter moves by one: {}",
                context()
            );
        }
        before = after;
    }
}

#[test]
fn nothing_is_lost_or_made_up_and_every_decision_is_for_the_first_of_the_smallest() {
    for seed in 1000..1050 {
        let asks = random_conversation(&mut Random(seed), 500);
        let input: String = asks
            .iter()
            .enumerate()
            .map(|(msg_id, ask)| ask.line(msg_id) + &Ask::Stats.line(0))
            .collect();
        assert_lawful(&asks, &run(&[], input).replies, seed);
    }
}
