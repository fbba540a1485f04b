//! The program against a naive model, which is meant to be obviously right and shares no code with it.

use std::collections::HashSet;
use std::mem;

use serde::Serialize;

use crate::support::{Random, is_like, run, shortest, without_times};

type Name = &'static str;

/// Keys, and their values as they are written.
type Fields = Vec<(Name, String)>;

/// The body of a message: fields that its kind uses, right or wrong.
#[derive(Debug, Clone, Default)]
struct Request {
    kind: &'static str,
    backends: Option<Vec<Name>>,
    algorithm: Option<&'static str>,
    node_id: Option<Name>,
    node_ids: Option<Vec<Name>>,
    active_connections: Option<Fields>,
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
        let report = request.active_connections.as_deref();
        let fields = [
            ("backends", request.backends.as_ref().map(json)),
            ("algorithm", request.algorithm.map(json)),
            ("node_id", request.node_id.map(json)),
            ("node_ids", request.node_ids.as_ref().map(json)),
            ("active_connections", report.map(object)),
            ("backend", request.backend.map(json)),
            ("echo", (request.kind == "echo").then(|| json([1.0]))),
        ];
        let mut body = vec![("type", json(request.kind)), ("msg_id", json(msg_id))];
        let fields = fields.into_iter();
        body.extend(fields.filter_map(|(key, value)| Some((key, value?))));
        envelope("c", "n", &object(&body)) + "\n"
    };
    requests.iter().enumerate().map(line).collect()
}

fn envelope(src: &str, dest: &str, body: &str) -> String {
    format!(r#"{{"src": "{src}", "dest": "{dest}", "body": {body}}}"#)
}

fn json(value: impl Serialize) -> String {
    serde_json::to_string(&value).expect("it can be written as JSON")
}

/// An object with these keys, and with values that are JSON.
fn object(entries: &[(Name, String)]) -> String {
    let entry = |(key, value): &(Name, String)| format!("{}: {value}", json(key));
    let entries: Vec<_> = entries.iter().map(entry).collect();
    format!("{{{}}}", entries.join(", "))
}

#[derive(Debug, Clone, Default)]
struct Backend {
    name: Name,
    active: u64,
    total: u64,
    draining: bool,
}

fn new(name: Name) -> Backend {
    let other = Backend::default();
    Backend { name, ..other }
}

#[derive(Debug, Clone, Default)]
struct Model {
    command_line: Vec<Name>,
    is_open: bool,
    backends: Vec<Backend>,
}

/// The fields of a reply after `in_reply_to`, or the code of an error.
type Answer = Result<Fields, u16>;

impl Model {
    /// The reply to a request. The text of an error is `…`.
    fn reply(&mut self, msg_id: usize, request: &Request) -> String {
        let before = self.clone();
        let (kind, fields) = match self.answer(request) {
            Ok(fields) if request.kind == "http_request" => (json("http_response"), fields),
            Ok(fields) => (json(request.kind.to_owned() + "_ok"), fields),
            Err(code) => {
                // An error means that nothing has changed.
                *self = before;
                let fields = vec![("code", json(code)), ("text", json("…"))];
                (json("error"), fields)
            }
        };
        let mut body = vec![("type", kind), ("in_reply_to", json(msg_id))];
        body.extend(fields);
        envelope("n", "c", &object(&body))
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let report = request.active_connections.as_deref();
        let is_count = |count: &str| matches!(count.parse(), Ok(0..=9_007_199_254_740_991_u64));
        let mut counts = report.unwrap_or_default().iter();
        check(counts.all(|(_, count)| is_count(count)), 12)?;
        let name = request.backend.ok_or(12u16);
        match request.kind {
            "init" => return self.init(request),
            "http_request" => {
                check_algorithm(request)?;
                return self.http_request(report);
            }
            "stats" => return Ok(vec![("backends", self.stats())]),
            "echo" => return Ok(vec![("echo", json([1.0]))]),
            "request_complete" => {
                let backend = self.find(name?)?;
                backend.active = backend.active.checked_sub(1).ok_or(22u16)?;
            }
            "drain" => self.find(name?)?.draining = true,
            "resume" => self.find(name?)?.draining = false,
            "add" => {
                check_names(&[name?])?;
                check(self.find(name?).is_err(), 21)?;
                self.backends.push(new(name?));
                self.is_open = false;
            }
            "remove" => {
                self.find(name?)?;
                self.backends.retain(|backend| Ok(backend.name) != name);
                self.is_open = false;
            }
            _ => return Err(10),
        }
        Ok(self.with_counts(name?))
    }

    fn init(&mut self, request: &Request) -> Answer {
        self.is_open = request.backends.is_none() && self.command_line.is_empty();
        let others = request.node_ids.iter().flatten().copied();
        let names = match &request.backends {
            Some(backends) => backends.clone(),
            None if self.is_open => others.filter(|id| Some(*id) != request.node_id).collect(),
            None => self.command_line.clone(),
        };
        check_names(&names)?;
        check_algorithm(request)?;
        self.backends = names.into_iter().map(new).collect();
        self.report(request.active_connections.as_deref().unwrap_or_default())?;
        Ok(Vec::new())
    }

    fn report(&mut self, counts: &[(Name, String)]) -> Result<(), u16> {
        let names: Vec<_> = counts.iter().map(|(name, _)| *name).collect();
        check_names(&names)?;
        if self.is_open && !counts.is_empty() {
            let before = mem::take(&mut self.backends);
            for name in names {
                let known = before.iter().find(|backend| backend.name == name);
                let known = known.cloned();
                self.backends.push(known.unwrap_or_else(|| new(name)));
            }
        }
        for (name, count) in counts {
            self.find(name)?.active = count.parse().expect("it is a count");
        }
        Ok(())
    }

    fn http_request(&mut self, report: Option<&[(Name, String)]>) -> Answer {
        self.report(report.unwrap_or_default())?;
        let mut available: Vec<_> = self.backends.iter_mut().collect();
        available.retain(|backend| !backend.draining);
        // A stable sort: of backends with the same count, the first stays first.
        available.sort_by_key(|backend| backend.active);
        let chosen = available.into_iter().next().ok_or(11u16)?;
        chosen.active += 1;
        chosen.total += 1;
        let name = chosen.name;
        if report.is_some() {
            return Ok(vec![("backend", json(name))]);
        }
        let mut fields = self.with_counts(name);
        fields.insert(0, ("status", json(200)));
        Ok(fields)
    }

    fn find(&mut self, name: Name) -> Result<&mut Backend, u16> {
        let mut backends = self.backends.iter_mut();
        backends.find(|backend| backend.name == name).ok_or(20)
    }

    fn with_counts(&self, name: Name) -> Fields {
        let count = |backend: &Backend| (backend.name, json(backend.active));
        let counts: Vec<_> = self.backends.iter().map(count).collect();
        let counts = object(&counts);
        vec![("backend", json(name)), ("active_connections", counts)]
    }

    fn stats(&self) -> String {
        let counters = self.backends.iter().map(|backend| {
            let fields = [
                ("active_connections", json(backend.active)),
                ("total_requests", json(backend.total)),
                ("last_used", json((backend.total > 0).then_some(1))),
                ("draining", json(backend.draining)),
            ];
            (backend.name, object(&fields))
        });
        object(&counters.collect::<Vec<_>>())
    }
}

fn check(is_right: bool, code: u16) -> Result<(), u16> {
    is_right.then_some(()).ok_or(code)
}

fn check_names(names: &[Name]) -> Result<(), u16> {
    let different: HashSet<_> = names.iter().collect();
    check(different.len() == names.len() && !names.contains(&""), 12)
}

fn check_algorithm(request: &Request) -> Result<(), u16> {
    let known = [None, Some("least-connections")];
    check(known.contains(&request.algorithm), 10)
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
        if !is_like(reply, &expected) {
            return Some((index, format!("model:   {expected}\nprogram: {reply}")));
        }
    }
    let end = (replies.next(), output.errors.as_str(), output.status);
    (end != (None, "", Some(0))).then(|| (requests.len(), format!("at the end: {end:?}")))
}

/// A conversation about some backends, with mistakes in it.
fn random_conversation(random: &mut Random, length: usize) -> Vec<Request> {
    const NAMES: &str = "a|b|c|d|api-1|api-10|api-2|\"|\\\n\u{1}|é😀| a";
    let mut known: Vec<Name> = NAMES.split('|').collect();
    known.rotate_left(random.below(11));
    known.truncate(2 + random.below(10));
    let pool = &known[..=random.below(known.len())];
    let wrong: &[_] = &[known[0], *random.pick(&["", known[1]]), known[1]];
    let lists = [None, None, Some(pool), Some(pool), Some(&[]), Some(wrong)];
    let mut requests = vec![request("init", None)];
    requests[0].node_ids = Some(pool.to_vec());
    while requests.len() < length {
        let backend = Some(*random.pick(&known));
        let mut request = match random.below(200) {
            0..3 => request("init", None),
            3 => request("nonsense", None),
            4 => request("echo", None),
            5 => request("request_complete", None),
            6 => request(["add", "remove", "drain"][random.below(3)], Some("")),
            7..20 => request("stats", None),
            20..30 => request("drain", backend),
            30..40 => request("resume", backend),
            40..42 => request("remove", backend),
            42..45 => request("add", backend),
            45..95 => request("request_complete", backend),
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
            let report = random_report(random, names, chance == 1);
            request.active_connections = (random.below(3) == 0).then_some(report);
            let algorithm = ["least-connections", "random"][usize::from(chance == 1)];
            request.algorithm = *random.pick(&[None, Some(algorithm)]);
        }
        requests.push(request);
    }
    requests
}

/// A report of some of the names, in order or not, now and then with a mistake in a count, or in a name, unless these must be
/// right. (With an unknown algorithm, either may be named.)
fn random_report(random: &mut Random, names: &[Name], names_are_right: bool) -> Fields {
    let names = names.iter().filter(|_| random.below(3) > 0);
    let mut report: Fields = names.map(|name| (*name, String::new())).collect();
    for (_, count) in &mut report {
        *count = json(random.pick(&[0, 1, 2, 3, 5, 8, 13]));
    }
    if let [first, .., last] = &mut report[..] {
        match random.below(30) {
            0 if !names_are_right => last.0 = *random.pick(&["", first.0]),
            1..3 => {
                let edges = "-1 1.0 null 9007199254740992 \"1\" 9007199254740991";
                let edges: Vec<_> = edges.split(' ').collect();
                last.1 = (*random.pick(&edges)).to_owned();
            }
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
            let lines = lines(&short);
            panic!("command line {command_line:?}\n{lines}{difference}");
        }
    }
}
