//! Speed: how long a message takes, compared with the least that such a program can do. Run by `cargo bench`.
//!
//! The floor of a workload is a simple program that reads and writes the same JSON with `serde_json`: for each line one
//! `from_str` into a struct of borrowed fields, one search for the smallest count, and one serialization of the same
//! reply. It has no framing, no checks and no lookup, and a borrowed `&str` cannot hold an escape. The node can be faster,
//! because it writes the constant parts of replies without `serde_json`.
//!
//! Floor and node take turns in this one process, and each ratio is the median of nine pairs, because the machines that
//! this runs on are shared, and their speed changes from second to second. On two cores of an AMD EPYC with Rust 1.95,
//! the medians of three runs were, as multiples of the floor:
//!
//! | backends | form | tracked | reported | echo | stats | init |
//! | ---: | --- | ---: | ---: | ---: | ---: | ---: |
//! | 3 | envelope | 0.96 | 1.09 | 0.99 | 0.66 | 1.39 |
//! | 3 | bare | 0.98 | 1.06 | 1.04 | 0.62 | 1.49 |
//! | 100 | envelope | 0.99 | 1.05 | | | |
//! | 10,000 | envelope | 0.99 | 1.15 | | | |
//!
//! *Tracked* is requests and completions in equal parts; *reported* is requests with the counts of all backends. A report
//! has work that the floor has not: it is compared with the pool, whose counts it replaces. With 10,000 backends, the pool
//! and the report do not fit into that machine's second-level cache together. An `init` builds a pool, which the floor
//! does not. Unrelated changes to the code make the floor itself up to a tenth faster or slower: with a node that took the
//! same time, 10,000 reported was 1.15 in one build and 1.23 in another.
//!
//! With 10,000 backends, a report in no order took 1.5 times as long as one in the pool's order if all reports had the
//! same order, and 3.0 times if each had another. A round trip through two pipes took 1.07 times as long as through `cat`.
#![expect(clippy::print_stdout, reason = "the table is what this is for")]
#![expect(clippy::cast_precision_loss, reason = "they are figures to look at")]

use std::fmt::{self, Write as _};
use std::fs::read_to_string;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use least_connections::{Node, serve};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

/// How many pairs of runs a ratio is the median of.
const PAIRS: usize = 9;

/// About how long one run of a pair takes.
const RUN: Duration = Duration::from_millis(150);

/// Whether a message has an envelope.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Envelope,
    Bare,
}

fn main() {
    println!(
        "| backends | workload | form | ns a message | MB/s in | MB/s out | times the floor |"
    );
    println!("| ---: | --- | --- | ---: | ---: | ---: | ---: |");
    for form in [Form::Envelope, Form::Bare] {
        compare(&Workload::tracked(form, 3));
        compare(&Workload::reported(form, 3, POOL_ORDER));
        compare(&Workload::echo(form));
        compare(&Workload::stats(form));
        compare(&Workload::init(form));
    }
    for count in [100, 10_000] {
        compare(&Workload::tracked(Form::Envelope, count));
        compare(&Workload::reported(Form::Envelope, count, POOL_ORDER));
    }
    println!();
    in_no_order();
    pretty_printed();
    through_a_pipe();
    round_trips();
}

/// Input for a node that is configured with `names`. It gets replies of the same length each time.
struct Workload {
    name: &'static str,
    form: Form,
    names: Vec<String>,
    /// How many requests are made before as many are completed.
    round: usize,
    input: String,
    messages: usize,
}

impl Workload {
    fn new(name: &'static str, form: Form, count: usize) -> Self {
        Self {
            name,
            form,
            names: names(count),
            round: 0,
            input: String::new(),
            messages: 0,
        }
    }

    /// Adds a message with this rest of its body.
    fn push(&mut self, kind: &str, rest: &str) {
        self.messages += 1;
        let body = format!(r#"{{"type":"{kind}","msg_id":{}{rest}}}"#, self.messages);
        match self.form {
            Form::Envelope => writeln!(
                self.input,
                r#"{{"src":"client","dest":"lb","body":{body}}}"#
            ),
            Form::Bare => writeln!(self.input, "{body}"),
        }
        .expect("writing to memory cannot fail");
    }

    fn is_large(&self) -> bool {
        self.input.len() > 2_000_000 || self.messages * self.names.len() > 1_000_000
    }

    /// Requests and completions in equal parts, in rounds of as many requests as there are backends, 32 at most.
    fn tracked(form: Form, count: usize) -> Self {
        let mut workload = Self::new("tracked", form, count);
        workload.round = count.min(32);
        let names = names(workload.round);
        while !workload.is_large() {
            for _ in &names {
                workload.push("http_request", r#","method":"GET","path":"/api/data""#);
            }
            for name in &names {
                workload.push("request_complete", &format!(r#","backend":"{name}""#));
            }
        }
        workload
    }

    /// Requests that report the counts of all backends.
    fn reported(form: Form, count: usize, order: Order) -> Self {
        let mut workload = Self::new("reported", form, count);
        while workload.input.len() < 2_000_000 {
            let mut counts = String::new();
            for place in 0..count {
                let name = &workload.names[order(count, workload.messages, place)];
                let comma = if place == 0 { "" } else { "," };
                // One backend has fewer than all others, so that no tie depends on the order.
                let count = if place == workload.messages % count {
                    0
                } else {
                    1 + place % 50
                };
                write!(counts, r#"{comma}"{name}":{count}"#)
                    .expect("writing to memory cannot fail");
            }
            let rest =
                format!(r#","method":"GET","path":"/api/data","active_connections":{{{counts}}}"#);
            workload.push("http_request", &rest);
        }
        workload
    }

    /// What Maelstrom's workload `echo` sends.
    fn echo(form: Form) -> Self {
        let mut workload = Self::new("echo", form, 3);
        while !workload.is_large() {
            let echo = workload.messages % 128;
            workload.push("echo", &format!(r#","echo":"Please echo {echo}""#));
        }
        workload
    }

    fn stats(form: Form) -> Self {
        let mut workload = Self::new("stats", form, 3);
        while !workload.is_large() {
            workload.push("stats", "");
        }
        workload
    }

    fn init(form: Form) -> Self {
        let mut workload = Self::new("init", form, 3);
        while !workload.is_large() {
            workload.push(
                "init",
                r#","backends":["api-1","api-2","api-3"],"algorithm":"least-connections""#,
            );
        }
        workload
    }
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("api-{n}")).collect()
}

/// The order of a report: the index of the backend in each place of each message.
type Order = fn(count: usize, message: usize, place: usize) -> usize;

const POOL_ORDER: Order = |_, _, place| place;

/// No order, but the same in every message. (Steps of 7919 visit each backend once.)
const SHUFFLED: Order = |count, _, place| place * 7919 % count;

/// No order, and another in every message.
const SHUFFLED_ANEW: Order = |count, message, place| (place + message) * 7919 % count;

/// Answers a workload's input, in memory, and counts the bytes of the replies.
fn answer(node: &mut Node, workload: &Workload) -> u64 {
    answer_input(node, &workload.input)
}

fn answer_input(node: &mut Node, input: &str) -> u64 {
    let mut replies = Bytes(0);
    serve(node, input.as_bytes(), &mut replies, |warning| {
        panic!("{warning}");
    })
    .expect("writing to memory cannot fail");
    replies.0
}

/// The floor: answers the same input with the same replies.
fn floor(workload: &Workload) -> u64 {
    let mut replies = Bytes(0);
    let mut output = BufWriter::with_capacity(64 << 10, &mut replies);
    let counters = |name| FloorCounters {
        name,
        active_connections: 0,
        total_requests: 0,
        last_used: None,
        draining: false,
    };
    let names = workload.names.iter().map(String::as_str);
    let mut backends: Vec<_> = names.map(counters).collect();
    let mut completed = 0;
    for line in workload.input.lines() {
        let (address, request) = match workload.form {
            Form::Envelope => {
                let message: FloorMessage = serde_json::from_str(line).expect("it is right");
                (Some((message.src, message.dest)), message.body)
            }
            Form::Bare => (None, serde_json::from_str(line).expect("it is right")),
        };
        let mut body = FloorReplyBody {
            in_reply_to: request.msg_id,
            ..FloorReplyBody::default()
        };
        match request.kind {
            "http_request" => {
                body.kind = "http_response";
                if let Some(FloorCounts(counts)) = &request.active_connections {
                    let fewest = counts.iter().min_by_key(|(_, count)| *count);
                    body.backend = Some(fewest.expect("a pool").0);
                } else {
                    let backends_mut = backends.iter_mut();
                    let fewest = backends_mut.min_by_key(|backend| backend.active_connections);
                    let fewest = fewest.expect("a pool");
                    fewest.active_connections += 1;
                    body.status = Some(200);
                    body.backend = Some(fewest.name);
                    body.active_connections = Some(FloorActive(&backends));
                }
            }
            "request_complete" => {
                body.kind = "request_complete_ok";
                backends[completed % workload.round].active_connections -= 1;
                completed += 1;
                body.backend = request.backend;
                body.active_connections = Some(FloorActive(&backends));
            }
            "echo" => {
                body.kind = "echo_ok";
                body.echo = request.echo;
            }
            "stats" => {
                body.kind = "stats_ok";
                body.backends = Some(FloorStats(&backends));
            }
            _ => {
                body.kind = "init_ok";
                black_box((request.backends, request.algorithm));
            }
        }
        let mut to = serde_json::Serializer::with_formatter(&mut output, Spaced);
        match address {
            Some((src, dest)) => FloorReply {
                src: dest,
                dest: src,
                body,
            }
            .serialize(&mut to),
            None => body.serialize(&mut to),
        }
        .and_then(|()| output.write_all(b"\n").map_err(serde_json::Error::io))
        .expect("writing to memory cannot fail");
    }
    output.flush().expect("writing to memory cannot fail");
    drop(output);
    replies.0
}

#[derive(Deserialize)]
struct FloorMessage<'a> {
    src: &'a str,
    dest: &'a str,
    #[serde(borrow)]
    body: FloorBody<'a>,
}

#[derive(Deserialize)]
struct FloorBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    msg_id: u64,
    backend: Option<&'a str>,
    #[serde(borrow)]
    active_connections: Option<FloorCounts<'a>>,
    #[serde(borrow)]
    echo: Option<&'a RawValue>,
    #[serde(borrow)]
    backends: Option<Vec<&'a str>>,
    algorithm: Option<&'a str>,
}

struct FloorCounts<'a>(Vec<(&'a str, u64)>);

impl<'de: 'a, 'a> Deserialize<'de> for FloorCounts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = FloorCounts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("counts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut counts = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    counts.push(entry);
                }
                Ok(FloorCounts(counts))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[derive(Serialize)]
struct FloorReply<'a> {
    src: &'a str,
    dest: &'a str,
    body: FloorReplyBody<'a>,
}

#[derive(Default, Serialize)]
struct FloorReplyBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    in_reply_to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_connections: Option<FloorActive<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backends: Option<FloorStats<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct FloorCounters<'a> {
    #[serde(skip)]
    name: &'a str,
    active_connections: u64,
    total_requests: u64,
    last_used: Option<u64>,
    draining: bool,
}

struct FloorActive<'a>(&'a [FloorCounters<'a>]);

impl Serialize for FloorActive<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let backends = self.0.iter();
        serializer.collect_map(backends.map(|backend| (backend.name, backend.active_connections)))
    }
}

struct FloorStats<'a>(&'a [FloorCounters<'a>]);

impl Serialize for FloorStats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let backends = self.0.iter();
        serializer.collect_map(backends.map(|backend| (backend.name, backend)))
    }
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

/// A writer that only counts bytes.
struct Bytes(u64);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += black_box(bytes).len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints one row of the table.
fn compare(workload: &Workload) {
    let mut node = Node::new(workload.names.clone());
    let replied = answer(&mut node, workload);
    assert_eq!(replied, floor(workload), "both give the same replies");
    let mut times = Vec::new();
    let ratio = median((0..PAIRS).map(|_| {
        let (node, floor) = (
            time(|| answer(&mut node, workload)),
            time(|| floor(workload)),
        );
        times.push(node);
        node / floor
    }));
    let seconds = median(times.into_iter());
    let messages = workload.messages as f64;
    println!(
        "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {ratio:.2} |",
        workload.names.len(),
        workload.name,
        match workload.form {
            Form::Envelope => "envelope",
            Form::Bare => "bare",
        },
        seconds / messages * 1e9,
        workload.input.len() as f64 / seconds / 1e6,
        replied as f64 / seconds / 1e6,
    );
}

/// Seconds that one call takes, as the mean of as many as fit into `RUN`.
fn time(mut work: impl FnMut() -> u64) -> f64 {
    let begin = Instant::now();
    let mut calls = 0.0;
    while begin.elapsed() < RUN {
        black_box(work());
        calls += 1.0;
    }
    begin.elapsed().as_secs_f64() / calls
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reports in no order, compared with the pool's order.
fn in_no_order() {
    let count = 10_000;
    let mut node = Node::new(names(count));
    let ordered = Workload::reported(Form::Envelope, count, POOL_ORDER);
    for (order, what) in [
        (SHUFFLED, "in no order, always the same"),
        (SHUFFLED_ANEW, "in no order, another each time"),
    ] {
        let shuffled = Workload::reported(Form::Envelope, count, order);
        let ratio =
            median((0..PAIRS).map(|_| {
                time(|| answer(&mut node, &shuffled)) / time(|| answer(&mut node, &ordered))
            }));
        println!("- {count} backends reported {what}: {ratio:.2} times the pool's order");
    }
}

/// One message of 40,000 lines.
fn pretty_printed() {
    let counts: Vec<_> = (0..39_991)
        .map(|n| format!("      \"api-{n}\": {n}"))
        .collect();
    let message = format!(
        "{{\n  \"src\": \"client\",\n  \"dest\": \"lb\",\n  \"body\": {{\n    \"type\": \"http_request\",\n    \"active_connections\": {{\n{}\n    }}\n  }}\n}}\n",
        counts.join(",\n")
    );
    let mut node = Node::new(Vec::new());
    let seconds = time(|| answer_input(&mut node, &message));
    println!(
        "- one message of {} lines: {:.0} ms",
        message.lines().count(),
        seconds * 1e3
    );
}

/// A program between two pipes.
struct Piped {
    child: Child,
    stdin: std::process::ChildStdin,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Piped {
    fn start(program: &str, arguments: Vec<String>) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            stdin: child.stdin.take().expect("it is piped"),
            stdout: BufReader::with_capacity(64 << 10, stdout),
            child,
        }
    }

    fn node() -> Self {
        Self::start(env!("CARGO_BIN_EXE_least-connections"), names(3))
    }

    /// Seconds from a line sent to a line back.
    fn round_trip(&mut self, line: &str) -> f64 {
        let begin = Instant::now();
        self.stdin.write_all(line.as_bytes()).expect("it reads");
        self.stdout.skip_until(b'\n').expect("it answers");
        begin.elapsed().as_secs_f64()
    }

    fn end(mut self) {
        drop(self.stdin);
        self.child.wait().expect("it ends");
    }
}

/// As many messages as a pipe takes.
fn through_a_pipe() {
    let workload = Workload::tracked(Form::Envelope, 3);
    let times = 100;
    let messages = workload.messages * times;
    let Piped {
        mut child,
        mut stdin,
        mut stdout,
    } = Piped::node();
    let begin = Instant::now();
    thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            for _ in 0..times {
                let input = workload.input.as_bytes();
                stdin.write_all(input).expect("it reads");
            }
            stdin
        });
        for _ in 0..messages {
            stdout.skip_until(b'\n').expect("it answers");
        }
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "- the program through a pipe, 3 backends, tracked: {:.2} million messages a second",
            messages as f64 / seconds / 1e6
        );
        // While it still runs, the kernel has what it has used so far.
        let used = |file: &str, key: &str| {
            let text = read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        };
        if let (Some(reads), Some(writes), Some(kib)) = (
            used("io", "syscr:"),
            used("io", "syscw:"),
            used("status", "VmHWM:"),
        ) {
            println!(
                "- system calls for 100 messages: {:.2}; peak memory after {messages} messages: {:.1} MiB",
                (reads + writes) * 100.0 / messages as f64,
                kib / 1024.0
            );
        }
        drop(feeder.join().expect("it has fed everything"));
    });
    child.wait().expect("it ends");
}

/// Each message waits for the reply to the one before. The same lines go through `cat`, in turns.
///
/// A ratio is that of the medians of 1,000 trips. It depends on the cores that the processes are on, so each pair starts
/// anew.
fn round_trips() {
    let workload = Workload::tracked(Form::Envelope, 3);
    let pairs = (0..PAIRS).map(|_| {
        let mut node = Piped::node();
        let mut cat = Piped::start("cat", Vec::new());
        let lines = workload.input.split_inclusive('\n').take(1000);
        let (node_trips, cat_trips): (Vec<_>, Vec<_>) = lines
            .map(|line| (node.round_trip(line), cat.round_trip(line)))
            .unzip();
        node.end();
        cat.end();
        let node_trip = median(node_trips.into_iter());
        (node_trip, node_trip / median(cat_trips.into_iter()))
    });
    let (trips, ratios): (Vec<_>, Vec<_>) = pairs.unzip();
    println!(
        "- one round trip: {:.1} µs, {:.2} times the same through cat",
        median(trips.into_iter()) * 1e6,
        median(ratios.into_iter())
    );
}
