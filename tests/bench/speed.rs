//! Speed: how many messages per second the program answers, and how long one takes. `cargo bench` runs it.
//!
//! The *floor* is a simple program that reads and writes the same JSON with `serde_json`. For each line it has one
//! `from_str` into a struct of borrowed fields, one search for the smallest count, and one derived serialization of the
//! same reply. It checks nothing and looks no backend up. Node and floor take turns in one process. A ratio is the median
//! of nine pairs, with the lowest and the highest.
//!
//! *Tracked* is requests and completions in equal parts. *Reported* is requests with the counts of all backends, in the
//! pool's order; *shuffled*, in another order each time.
#![expect(clippy::print_stdout, reason = "the table is what this is for")]
#![expect(clippy::cast_precision_loss, reason = "they are figures to look at")]

use std::fmt;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use least_connections::{Node, serve};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

const PROGRAM: &str = env!("CARGO_BIN_EXE_least-connections");

fn main() -> Result<()> {
    from_a_file()?;
    println!("\n| backends | form | workload | ns a message | times the floor |");
    println!("| ---: | --- | --- | ---: | ---: |");
    for form in ["envelope", "bare"] {
        for name in ["tracked", "reported", "echo", "stats", "init"] {
            compare(name, form, 3)?;
        }
    }
    for name in ["tracked", "reported"] {
        compare(name, "envelope", 100)?;
    }
    for name in ["tracked", "reported", "shuffled"] {
        compare(name, "envelope", 10_000)?;
    }
    println!();
    pretty_printed()?;
    round_trips()
}

/// The program itself, with a file as its input.
fn from_a_file() -> Result<()> {
    let workload = Workload::new("tracked", "envelope", 3);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tracked.jsonl");
    let input = workload.input.repeat(10);
    fs::write(&path, &input)?;
    let mut times = Vec::new();
    for _ in 0..9 {
        let begin = Instant::now();
        Command::new(PROGRAM)
            .args(&workload.names)
            .stdin(File::open(&path)?)
            .stdout(Stdio::null())
            .status()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let millions = input.lines().count() as f64 / times[4] / 1e6;
    println!("{millions:.1} million requests and completions per second, from a file");
    Ok(())
}

/// Messages, one per line, to a node that is configured with `names`.
struct Workload {
    form: &'static str,
    names: Vec<String>,
    /// How many requests come before as many completions, in `tracked`.
    round: usize,
    input: String,
}

impl Workload {
    fn new(name: &str, form: &'static str, count: usize) -> Self {
        let mut workload = Self {
            form,
            names: (1..=count).map(|n| format!("api-{n}")).collect(),
            round: count.min(32),
            input: String::new(),
        };
        // In whole rounds, so that each run starts from the same counts.
        for n in 0..(100_000 / count).next_multiple_of(2 * workload.round) {
            let body = workload.body(name, n);
            workload.input += &match form {
                "bare" => body + "\n",
                _ => [r#"{"src":"client","dest":"lb","body":"#, &body, "}\n"].concat(),
            };
        }
        workload
    }

    /// The body of message `n`.
    fn body(&self, name: &str, n: usize) -> String {
        let Self { names, round, .. } = self;
        let routed_to = &names[n % round];
        let request = r#""type":"http_request","method":"GET","path":"/api/data""#;
        let report = |step| {
            let entry = |place| {
                // One count is 0, so that no tie depends on the order.
                let active = 50.min((place + n) % names.len());
                format!(r#""{}":{active}"#, names[place * step % names.len()])
            };
            let entries: Vec<_> = (0..names.len()).map(entry).collect();
            let entries = entries.join(",");
            format!(r#"{request},"active_connections":{{{entries}}}"#)
        };
        let keys = match name {
            "tracked" if n / round % 2 == 0 => request.to_owned(),
            "tracked" => format!(r#""type":"request_complete","backend":"{routed_to}""#),
            "reported" => report(1),
            // A step that ends in 9 visits each of 10,000 backends once.
            "shuffled" => report(7919 + 10 * n),
            "echo" => format!(r#""type":"echo","echo":"Please echo {}""#, n % 128),
            "stats" => r#""type":"stats""#.to_owned(),
            _ => format!(r#""type":"init","backends":{names:?},"algorithm":"least-connections""#),
        };
        format!(r#"{{{keys},"msg_id":{n}}}"#)
    }
}

/// Prints a row of the table.
fn compare(name: &str, form: &'static str, count: usize) -> Result<()> {
    let workload = Workload::new(name, form, count);
    let mut node = Node::new(workload.names.clone())?;
    let mut replies = [Vec::new(), Vec::new()];
    answer(&mut node, &workload.input, &mut replies[0])?;
    floor(&workload, &mut replies[1])?;
    assert!(replies[0] == replies[1], "both write the same replies");
    let (seconds, ratio) = in_turns(
        || answer(&mut node, &workload.input, &mut io::sink()),
        || floor(&workload, &mut io::sink()),
    )?;
    let nanoseconds = seconds / workload.input.lines().count() as f64 * 1e9;
    println!("| {count} | {form} | {name} | {nanoseconds:.0} | {ratio} |");
    Ok(())
}

fn answer(node: &mut Node, input: &str, output: &mut dyn Write) -> Result<()> {
    Ok(serve(node, input.as_bytes(), output)?)
}

/// Writes the same replies as the node, with less work.
fn floor(workload: &Workload, output: &mut dyn Write) -> Result<()> {
    let mut output = BufWriter::with_capacity(64 << 10, output);
    let names = workload.names.iter().map(String::as_str);
    let mut pool: Vec<_> = names.map(|name| (name, Counters::default())).collect();
    let mut completed = 0;
    let is_bare = workload.form == "bare";
    for line in workload.input.lines() {
        let (address, request): (_, Request) = if is_bare {
            (None, serde_json::from_str(line)?)
        } else {
            let Envelope { src, dest, body } = serde_json::from_str(line)?;
            (Some((src, dest)), body)
        };
        let mut body = Reply {
            in_reply_to: request.msg_id,
            backend: request.backend,
            echo: request.echo,
            ..Reply::default()
        };
        body.kind = match (request.kind, request.active_connections) {
            ("http_request", Some(Report(counts))) => {
                let fewest = counts.iter().min_by_key(|(_, active)| *active);
                body.backend = fewest.map(|(name, _)| *name);
                "http_response"
            }
            ("http_request", None) => {
                let counters = pool.iter_mut();
                let fewest = counters.min_by_key(|(_, counters)| counters.active_connections);
                let (name, counters) = fewest.context("no backends")?;
                counters.active_connections += 1;
                body.status = Some(200);
                body.backend = Some(name);
                body.active_connections = &pool;
                "http_response"
            }
            ("request_complete", _) => {
                pool[completed % workload.round].1.active_connections -= 1;
                completed += 1;
                body.active_connections = &pool;
                "request_complete_ok"
            }
            ("stats", _) => {
                body.backends = &pool;
                "stats_ok"
            }
            ("echo", _) => "echo_ok",
            _ => {
                black_box((request.backends, request.algorithm));
                "init_ok"
            }
        };
        let mut to = serde_json::Serializer::with_formatter(&mut output, Spaced);
        if let Some((dest, src)) = address {
            Envelope { src, dest, body }.serialize(&mut to)?;
        } else {
            body.serialize(&mut to)?;
        }
        output.write_all(b"\n")?;
    }
    Ok(output.flush()?)
}

#[derive(Deserialize, Serialize)]
struct Envelope<'a, B> {
    src: &'a str,
    dest: &'a str,
    body: B,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    msg_id: u64,
    backend: Option<&'a str>,
    #[serde(borrow)]
    active_connections: Option<Report<'a>>,
    echo: Option<&'a RawValue>,
    backends: Option<Vec<&'a str>>,
    algorithm: Option<&'a str>,
}

#[derive(Default)]
struct Report<'a>(Vec<(&'a str, u64)>);

impl<'de: 'a, 'a> Deserialize<'de> for Report<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Report::default())
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Report<'a> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("counts")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(entry) = map.next_entry()? {
            self.0.push(entry);
        }
        Ok(self)
    }
}

#[derive(Default, Serialize)]
struct Reply<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    in_reply_to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "active")]
    active_connections: Pool<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "stats")]
    backends: Pool<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<&'a RawValue>,
}

type Pool<'a> = &'a [(&'a str, Counters)];

#[derive(Default, Serialize)]
struct Counters {
    active_connections: u64,
    total_requests: u64,
    last_used: Option<u64>,
    draining: bool,
}

fn active<S: Serializer>(pool: &Pool, to: S) -> Result<S::Ok, S::Error> {
    let backends = pool.iter();
    to.collect_map(backends.map(|(name, counters)| (name, counters.active_connections)))
}

fn stats<S: Serializer>(pool: &Pool, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pool.iter().map(|(name, counters)| (name, counters)))
}

/// Writes JSON with the spacing of the node's replies.
struct Spaced;

impl Formatter for Spaced {
    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

/// One message of 40,000 lines, and the same on one line.
fn pretty_printed() -> Result<()> {
    let entries: Vec<_> = (0..40_000).map(|n| format!(r#""api-{n}": {n}"#)).collect();
    let [lines, line] = [",\n", ","].map(|comma| {
        let report = entries.join(comma);
        let body = format!(r#"{{"type": "http_request", "active_connections": {{{report}}}}}"#);
        format!(r#"{{"src": "client", "dest": "lb", "body": {body}}}"#)
    });
    let [mut one, mut other] = [Node::new(Vec::new())?, Node::new(Vec::new())?];
    let (seconds, ratio) = in_turns(
        || answer(&mut one, &lines, &mut io::sink()),
        || answer(&mut other, &line, &mut io::sink()),
    )?;
    let milliseconds = seconds * 1e3;
    println!("- one message of 40,000 lines: {milliseconds:.0} ms, {ratio} times that of one line");
    Ok(())
}

/// Each message waits for the reply to the one before. The same lines go through `cat`.
fn round_trips() -> Result<()> {
    let workload = Workload::new("tracked", "envelope", 3);
    let trips = |program, arguments: &[String]| {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.args(arguments).spawn()?;
        let input = child.stdin.as_mut().context("no pipe")?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe")?);
        for line in workload.input.split_inclusive('\n') {
            input.write_all(line.as_bytes())?;
            output.skip_until(b'\n')?;
        }
        child.wait()?;
        Ok(())
    };
    let (seconds, ratio) = in_turns(|| trips(PROGRAM, &workload.names), || trips("cat", &[]))?;
    let microseconds = seconds / workload.input.lines().count() as f64 * 1e6;
    println!("- one round trip through two pipes: {microseconds:.0} µs, {ratio} times that of cat");
    Ok(())
}

/// Runs two things in turns. Returns the seconds that `one` takes in the pair with the median ratio, and the ratios.
fn in_turns(
    mut one: impl FnMut() -> Result<()>,
    mut other: impl FnMut() -> Result<()>,
) -> Result<(f64, String)> {
    let mut pairs = Vec::new();
    for _ in 0..9 {
        let seconds = time(&mut one)?;
        pairs.push((seconds / time(&mut other)?, seconds));
    }
    pairs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let [(lowest, _), (median, seconds), (highest, _)] = [pairs[0], pairs[4], pairs[8]];
    let ratio = format!("{median:.1} ({lowest:.1} to {highest:.1})");
    Ok((seconds, ratio))
}

/// Seconds that one call takes, as the mean of the calls in 150 ms.
fn time(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    let mut calls = 0.0;
    while begin.elapsed() < Duration::from_millis(150) {
        work()?;
        calls += 1.0;
    }
    Ok(begin.elapsed().as_secs_f64() / calls)
}
