//! The program against a naive model, which is meant to be obviously right and shares no code with it.

use std::collections::HashSet;
use std::fmt::Display;
use std::mem;

use serde::Serialize;

use crate::support::{Random, run, shortest, without_times};

type Name = &'static str;

/// Names, and counts as they are written.
type Report = Vec<(Name, &'static str)>;

/// The body of a message. It has only fields that its kind uses, right or wrong.
#[derive(Debug, Clone, Default)]
struct Request {
    kind: &'static str,
    backends: Option<Vec<Name>>,
    algorithm: Option<&'static str>,
    node_id: Option<Name>,
    node_ids: Option<Vec<Name>>,
    active_connections: Option<Report>,
    backend: Option<Name>,
}

fn request(kind: &'static str, backend: Option<Name>) -> Request {
    Request {
        kind,
        backend,
        ..Request::default()
    }
}

/// The messages as lines. The `msg_id` of each is its index.
fn lines(requests: &[Request]) -> String {
    let line = |(msg_id, request): (usize, &Request)| {
        let mut body = format!(r#""type": "{}", "msg_id": {msg_id}"#, request.kind);
        let mut add = |key, value: Option<String>| {
            body.extend(value.map(|value| format!(r#", "{key}": {value}"#)));
        };
        let report = request.active_connections.clone();
        add("backends", request.backends.as_ref().map(json));
        add("algorithm", request.algorithm.map(json));
        add("node_id", request.node_id.map(json));
        add("node_ids", request.node_ids.as_ref().map(json));
        add("active_connections", report.map(object));
        add("backend", request.backend.map(json));
        add("echo", (request.kind == "echo").then(|| json([1.0])));
        format!(r#"{{"src": "c", "dest": "n", "body": {{{body}}}}}"#) + "\n"
    };
    requests.iter().enumerate().map(line).collect()
}

fn json(value: impl Serialize) -> String {
    serde_json::to_string(&value).expect("it can be written as JSON")
}

fn object<T: Display>(entries: impl IntoIterator<Item = (Name, T)>) -> String {
    let entry = |(name, value)| format!("{}: {value}", json(name));
    let entries: Vec<_> = entries.into_iter().map(entry).collect();
    format!("{{{}}}", entries.join(", "))
}

#[derive(Debug, Clone, Default)]
struct Backend {
    name: Name,
    active: u64,
    total: u64,
    draining: bool,
}

impl Backend {
    fn new(name: Name) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

/// The `type` of a reply and its fields after `in_reply_to`, or the code of an error.
type Answer = Result<(&'static str, String), u16>;

#[derive(Debug, Clone, Default)]
struct Model {
    command_line: Vec<Name>,
    is_open: bool,
    backends: Vec<Backend>,
}

impl Model {
    /// The reply to a request. Of an error, all but its text.
    fn reply(&mut self, msg_id: usize, request: &Request) -> String {
        let before = self.clone();
        let body = match self.answer(request) {
            Ok((kind, fields)) => format!(r#""{kind}", "in_reply_to": {msg_id}{fields}}}}}"#),
            Err(code) => {
                // An error means that nothing has changed.
                *self = before;
                format!(r#""error", "in_reply_to": {msg_id}, "code": {code}, "text": ""#)
            }
        };
        r#"{"src": "n", "dest": "c", "body": {"type": "#.to_owned() + &body
    }

    fn answer(&mut self, request: &Request) -> Answer {
        if is_malformed(request) {
            return Err(12);
        }
        if !matches!(request.algorithm, None | Some("least-connections")) {
            return Err(10);
        }
        match request.kind {
            "init" => self.init(request),
            "http_request" => self.http_request(request.active_connections.as_deref()),
            "request_complete" => {
                let backend = self.find(request.backend)?;
                backend.active = backend.active.checked_sub(1).ok_or(22u16)?;
                Ok(("request_complete_ok", self.with_counts(request.backend)))
            }
            kind @ ("drain" | "resume") => {
                self.find(request.backend)?.draining = kind == "drain";
                let ok = if kind == "drain" {
                    "drain_ok"
                } else {
                    "resume_ok"
                };
                Ok((ok, self.with_counts(request.backend)))
            }
            "stats" => Ok(("stats_ok", self.stats())),
            "echo" => Ok(("echo_ok", r#", "echo": [1.0]"#.to_owned())),
            _ => Err(10),
        }
    }

    fn init(&mut self, request: &Request) -> Answer {
        self.is_open = request.backends.is_none() && self.command_line.is_empty();
        let others = request.node_ids.iter().flatten().copied();
        let names = match &request.backends {
            Some(backends) => backends.clone(),
            None if self.is_open => others.filter(|id| Some(*id) != request.node_id).collect(),
            None => self.command_line.clone(),
        };
        self.backends = names.into_iter().map(Backend::new).collect();
        self.report(request.active_connections.as_deref().unwrap_or_default())?;
        Ok(("init_ok", String::new()))
    }

    fn report(&mut self, counts: &[(Name, &str)]) -> Result<(), u16> {
        if self.is_open && !counts.is_empty() {
            let mut before = mem::take(&mut self.backends);
            for (name, _) in counts {
                if self.find(Some(name)).is_err() {
                    let known = before.iter().position(|backend| backend.name == *name);
                    self.backends
                        .push(known.map_or(Backend::new(name), |at| before.remove(at)));
                }
            }
        }
        for (name, count) in counts {
            self.find(Some(name))?.active = count.parse().expect("it is a count");
        }
        Ok(())
    }

    fn http_request(&mut self, report: Option<&[(Name, &str)]>) -> Answer {
        self.report(report.unwrap_or_default())?;
        let mut available: Vec<_> = self.backends.iter_mut().collect();
        available.retain(|backend| !backend.draining);
        // A stable sort: of backends with the same count, the first stays first.
        available.sort_by_key(|backend| backend.active);
        let chosen = available.into_iter().next().ok_or(11u16)?;
        chosen.active += 1;
        chosen.total += 1;
        let name = chosen.name;
        let fields = match report {
            Some(_) => format!(r#", "backend": {}"#, json(name)),
            None => r#", "status": 200"#.to_owned() + &self.with_counts(Some(name)),
        };
        Ok(("http_response", fields))
    }

    fn find(&mut self, name: Option<Name>) -> Result<&mut Backend, u16> {
        let name = name.ok_or(12u16)?;
        let mut backends = self.backends.iter_mut();
        backends.find(|backend| backend.name == name).ok_or(20)
    }

    fn with_counts(&self, backend: Option<Name>) -> String {
        let count = |backend: &Backend| (backend.name, backend.active);
        let counts = object(self.backends.iter().map(count));
        let backend = json(backend);
        format!(r#", "backend": {backend}, "active_connections": {counts}"#)
    }

    fn stats(&self) -> String {
        let counters = |backend: &Backend| {
            let (active, total, draining) = (backend.active, backend.total, backend.draining);
            let last_used = if total > 0 { "1" } else { "null" };
            let counts = format!(r#""active_connections": {active}, "total_requests": {total}"#);
            let rest = format!(r#""last_used": {last_used}, "draining": {draining}"#);
            (backend.name, format!("{{{counts}, {rest}}}"))
        };
        let backends = object(self.backends.iter().map(counters));
        format!(r#", "backends": {backends}"#)
    }
}

/// Whether a count is out of range, or a list has a name twice.
fn is_malformed(request: &Request) -> bool {
    let report = request.active_connections.as_deref().unwrap_or_default();
    let is_count = |count: &str| matches!(count.parse(), Ok(0..=9_007_199_254_740_991_u64));
    let lists = [&request.backends, &request.node_ids];
    let repeats = |names: &Vec<_>| names.iter().collect::<HashSet<_>>().len() < names.len();
    report.iter().any(|(_, count)| !is_count(count)) || lists.into_iter().flatten().any(repeats)
}

/// The first reply that differs from the model's: its index, and both.
fn difference(command_line: &[Name], requests: &[Request]) -> Option<(usize, String)> {
    let output = run(command_line, lines(requests));
    let replies = without_times(&output.replies);
    let mut replies = replies.lines();
    let mut model = Model {
        command_line: command_line.to_vec(),
        ..Model::default()
    };
    // The program starts as after an `init` with nothing in it.
    model.init(&request("init", None)).expect("it is right");
    for (index, request) in requests.iter().enumerate() {
        let expected = model.reply(index, request);
        let reply = replies.next().unwrap_or_default();
        let is_error = expected.ends_with(r#""text": ""#);
        if reply != expected && !(is_error && reply.starts_with(&expected)) {
            return Some((index, format!("model:   {expected}\nprogram: {reply}")));
        }
    }
    let end = (replies.next(), output.errors.as_str(), output.status);
    (end != (None, "", Some(0))).then(|| (requests.len(), format!("at the end: {end:?}")))
}

/// A conversation about some backends, with mistakes in it.
fn random_conversation(random: &mut Random, length: usize) -> Vec<Request> {
    const NAMES: &str = "a|b|c|d||api-1|api-10|api-2|\"|\\\n\u{1}|é😀| a";
    let mut known: Vec<Name> = NAMES.split('|').collect();
    known.rotate_left(random.below(12));
    known.truncate(2 + random.below(11));
    let pool = &known[..=random.below(known.len())];
    let twice = &[known[0], known[1], known[0]];
    let lists: [Option<&[Name]>; 6] = [None, None, Some(pool), Some(pool), Some(&[]), Some(twice)];
    let mut requests = vec![request("init", None)];
    requests[0].node_ids = Some(pool.to_vec());
    while requests.len() < length {
        let backend = Some(*random.pick(&known));
        let mut request = match random.below(200) {
            0..3 => request("init", None),
            3 => request("nonsense", None),
            4 => request("echo", None),
            5 => request("request_complete", None),
            6..20 => request("stats", None),
            20..30 => request("drain", backend),
            30..40 => request("resume", backend),
            40..95 => request("request_complete", backend),
            _ => request("http_request", None),
        };
        let chance = random.below(20);
        if request.kind == "init" {
            request.backends = random.pick(&lists).map(<[_]>::to_vec);
            request.node_ids = random.pick(&lists).map(<[_]>::to_vec);
            request.node_id = *random.pick(&[None, backend]);
        }
        if ["init", "http_request"].contains(&request.kind) {
            let names = if chance == 0 { &known } else { pool };
            let report = random_report(random, names);
            request.active_connections = (random.below(3) == 0).then_some(report);
            let right = Some("least-connections");
            request.algorithm = *random.pick(&[
                None,
                right,
                if chance == 1 { Some("random") } else { right },
            ]);
        }
        requests.push(request);
    }
    requests
}

/// A report of some of the names, in order or not, now and then with a name twice or a mistake.
fn random_report(random: &mut Random, names: &[Name]) -> Report {
    let mut report: Report = names.iter().map(|name| (*name, "0")).collect();
    report.retain(|_| random.below(3) > 0);
    for (_, count) in &mut report {
        *count = *random.pick(&["0", "1", "2", "3", "5", "8", "13"]);
    }
    if let [first, .., last] = &mut report[..] {
        match random.below(30) {
            0 => last.0 = first.0,
            1 => last.1 = *random.pick(&["-1", "1.0", "null", "9007199254740992", "\"1\""]),
            2 => last.1 = "9007199254740991",
            3..10 => mem::swap(first, last),
            10..20 => report.reverse(),
            _ => {}
        }
    }
    report
}

#[test]
fn random_conversations_match_the_model() {
    for seed in 0..300 {
        let command_line: &[Name] = if seed % 5 == 0 { &["d", "b"] } else { &[] };
        let requests = random_conversation(&mut Random(seed), 1000);
        if let Some((index, _)) = difference(command_line, &requests) {
            let failing = &requests[..requests.len().min(index + 1)];
            let short = shortest(failing, |part| difference(command_line, part).is_some());
            let (_, difference) = difference(command_line, &short).expect("it still fails");
            panic!(
                "command line {command_line:?}\n{}{difference}",
                lines(&short)
            );
        }
    }
}
