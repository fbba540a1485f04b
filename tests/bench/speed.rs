//! How long a message takes, as a multiple of the least that a program does which reads and writes the same JSON with
//! `serde_json`; and how fast the whole program is. Run by `cargo bench`.
//!
//! The floor of a workload is, for each line, one `from_str` into a flat struct of borrowed fields, the smallest of
//! the counters, and one serialization of the same reply from the same counters: no framing, no checks, no lookup, and
//! no escaped characters, which a borrowed `&str` cannot hold.
//! Floor and node are timed in turns, in this one process, and compared pair by pair, because the machines that this
//! runs on are shared, and their speed changes from second to second.
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

/// How many pairs of runs a ratio is the median of.
const PAIRS: usize = 9;

/// About how long one run of a pair takes.
const RUN: Duration = Duration::from_millis(150);

fn main() {
    println!("| backends | workload | ns a message | MB/s in | MB/s out | times the floor |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: |");
    for count in [3, 100, 10_000] {
        compare(&Workload::tracked(count));
        compare(&Workload::reported("reported", count, <[String]>::to_vec));
    }
    let ordered = Workload::reported("reported", 10_000, <[String]>::to_vec);
    let shuffled = Workload::reported("reported, shuffled", 10_000, shuffle);
    compare(&shuffled);
    println!();
    let mut node = Node::new(names(10_000));
    let ratio = median(
        (0..PAIRS)
            .map(|_| time(|| answer(&mut node, &shuffled)) / time(|| answer(&mut node, &ordered))),
    );
    println!("- 10000 backends reported in no order: {ratio:.2} times the pool's order");
    pretty_printed();
    through_a_pipe();
    round_trips();
}

/// Input for a node that is configured with `names`, whose counters are the same before it and after.
struct Workload {
    name: &'static str,
    /// How many requests are made before as many are completed.
    round: usize,
    names: Vec<String>,
    input: String,
    messages: usize,
}

impl Workload {
    /// Requests and completions in equal parts, in rounds of as many requests as there are backends, 32 at most.
    fn tracked(count: usize) -> Self {
        let names = names(count);
        let round = count.min(32);
        let mut input = String::new();
        let mut messages = 0;
        while input.len() < 2_000_000 && messages * count < 1_000_000 {
            let round = &names[..round];
            for _ in round {
                messages += 1;
                push(
                    &mut input,
                    REQUEST,
                    messages,
                    r#""method":"GET","path":"/api/data""#,
                );
            }
            for name in round {
                messages += 1;
                push(
                    &mut input,
                    COMPLETE,
                    messages,
                    &format!(r#""backend":"{name}""#),
                );
            }
        }
        Self {
            name: "tracked",
            round,
            names,
            input,
            messages,
        }
    }

    /// Requests that report the counts of all backends, in the order that `arrange` puts them in.
    fn reported(name: &'static str, count: usize, arrange: fn(&[String]) -> Vec<String>) -> Self {
        let names = names(count);
        let mut input = String::new();
        let mut messages = 0;
        while input.len() < 2_000_000 {
            messages += 1;
            let mut counts = String::new();
            for (place, name) in arrange(&names).iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                // One backend has fewer than all others, so that no tie depends on the order.
                let count = if place == messages % count {
                    0
                } else {
                    1 + place % 50
                };
                write!(counts, r#"{comma}"{name}":{count}"#).expect("a string takes all");
            }
            let body =
                format!(r#""method":"GET","path":"/api/data","active_connections":{{{counts}}}"#);
            push(&mut input, REQUEST, messages, &body);
        }
        Self {
            name,
            round: 0,
            names,
            input,
            messages,
        }
    }
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("api-{n}")).collect()
}

const REQUEST: &str = r#""type":"http_request""#;
const COMPLETE: &str = r#""type":"request_complete""#;

fn push(input: &mut String, kind: &str, msg_id: usize, rest: &str) {
    writeln!(
        input,
        r#"{{"src":"client","dest":"lb","body":{{{kind},"msg_id":{msg_id},{rest}}}}}"#
    )
    .expect("a string takes all");
}

/// The same order every time, which is no order: a step that visits each place once.
fn shuffle(names: &[String]) -> Vec<String> {
    (0..names.len())
        .map(|n| names[n * 7919 % names.len()].clone())
        .collect()
}

/// Answers a workload's input, in memory, and counts the bytes of the replies.
fn answer(node: &mut Node, workload: &Workload) -> u64 {
    let mut replies = Bytes(0);
    serve(node, workload.input.as_bytes(), &mut replies, io::sink()).expect("memory takes all");
    replies.0
}

/// The least that answers the same input with the same replies.
fn floor(workload: &Workload) -> u64 {
    let mut replies = Bytes(0);
    let mut output = BufWriter::with_capacity(64 << 10, &mut replies);
    let mut counters: Vec<(&str, u64)> = workload
        .names
        .iter()
        .map(|name| (name.as_str(), 0))
        .collect();
    let mut completed = 0;
    for line in workload.input.lines() {
        let request: FloorRequest = serde_json::from_str(line).expect("the input is sound");
        let mut reply = FloorReply {
            src: request.dest,
            dest: request.src,
            body: FloorReplyBody {
                kind: "http_response",
                in_reply_to: request.body.msg_id,
                status: None,
                backend: "",
                active_connections: None,
            },
        };
        if let Some(FloorCounts(counts)) = &request.body.active_connections {
            reply.body.backend = counts
                .iter()
                .min_by_key(|(_, count)| *count)
                .expect("a pool")
                .0;
        } else if let Some(backend) = request.body.backend {
            counters[completed % workload.round].1 -= 1;
            completed += 1;
            reply.body.kind = "request_complete_ok";
            reply.body.backend = backend;
            reply.body.active_connections = Some(FloorCounters(&counters));
        } else {
            let fewest = counters
                .iter_mut()
                .min_by_key(|(_, count)| *count)
                .expect("a pool");
            fewest.1 += 1;
            reply.body.status = Some(200);
            reply.body.backend = fewest.0;
            reply.body.active_connections = Some(FloorCounters(&counters));
        }
        reply
            .serialize(&mut serde_json::Serializer::with_formatter(
                &mut output,
                Spaced,
            ))
            .and_then(|()| output.write_all(b"\n").map_err(serde_json::Error::io))
            .expect("memory takes all");
    }
    output.flush().expect("memory takes all");
    drop(output);
    replies.0
}

#[derive(Deserialize)]
struct FloorRequest<'a> {
    src: &'a str,
    dest: &'a str,
    #[serde(borrow)]
    body: FloorBody<'a>,
}

#[derive(Deserialize)]
struct FloorBody<'a> {
    #[serde(rename = "type")]
    _kind: &'a str,
    msg_id: u64,
    backend: Option<&'a str>,
    #[serde(borrow)]
    active_connections: Option<FloorCounts<'a>>,
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

#[derive(Serialize)]
struct FloorReplyBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    in_reply_to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    backend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_connections: Option<FloorCounters<'a>>,
}

struct FloorCounters<'a>(&'a [(&'a str, u64)]);

impl Serialize for FloorCounters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
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

/// Takes bytes as memory does, and counts them.
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
    let second = median(times.into_iter());
    let messages = workload.messages as f64;
    println!(
        "| {} | {} | {:.0} | {:.0} | {:.0} | {ratio:.2} |",
        workload.names.len(),
        workload.name,
        second / messages * 1e9,
        workload.input.len() as f64 / second / 1e6,
        replied as f64 / second / 1e6,
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
    let seconds = time(|| {
        let mut replies = Bytes(0);
        serve(&mut node, message.as_bytes(), &mut replies, io::sink()).expect("memory takes all");
        replies.0
    });
    println!(
        "- one message of {} lines: {:.0} ms",
        message.lines().count(),
        seconds * 1e3
    );
}

/// The program itself, with three backends.
fn program() -> Child {
    Command::new(env!("CARGO_BIN_EXE_least-connections"))
        .args(names(3))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// As many messages as a pipe takes.
fn through_a_pipe() {
    let workload = Workload::tracked(3);
    let times = 100;
    let messages = workload.messages * times;
    let mut child = program();
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = BufReader::with_capacity(64 << 10, child.stdout.take().expect("it is piped"));
    let begin = Instant::now();
    thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            for _ in 0..times {
                stdin
                    .write_all(workload.input.as_bytes())
                    .expect("it reads");
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
        // While it still runs, the kernel tells what it has used so far.
        let told = |file: &str, key: &str| {
            let text = read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(key).map(str::to_owned));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        };
        if let (Some(reads), Some(writes), Some(kib)) = (
            told("io", "syscr:"),
            told("io", "syscw:"),
            told("status", "VmHWM:"),
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

/// Each request waits for the reply to the one before.
fn round_trips() {
    let workload = Workload::tracked(3);
    let mut child = program();
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let times = workload.input.split_inclusive('\n').map(|line| {
        let begin = Instant::now();
        stdin.write_all(line.as_bytes()).expect("it reads");
        stdout.skip_until(b'\n').expect("it answers");
        begin.elapsed().as_secs_f64()
    });
    let trip = median(times);
    println!("- one round trip: {:.1} µs", trip * 1e6);
    drop(stdin);
    child.wait().expect("it ends");
}
