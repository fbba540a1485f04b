//! Speed: how many messages per second the program answers, and how long one takes. `cargo bench` runs it.
//!
//! The *floor* is a simple program that reads and writes the same JSON with `serde_json`, one struct each, and searches for
//! the smallest count. It checks nothing and looks no backend up. Node and floor take turns in one process. A ratio is the
//! median of nine pairs, with the lowest and the highest. *Tracked* is requests and completions in equal parts. *Reported*
//! is requests with the counts of all backends, in the pool's order; *shuffled*, in another order each time.
#![expect(clippy::print_stdout, reason = "it prints figures")]
#![expect(clippy::cast_precision_loss, reason = "two digits are shown")]
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use least_connections::{Node, serve};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

fn main() -> Result<()> {
    from_a_file()?;
    println!("\n| backends | form | workload | ns a message | times the floor |");
    println!("| ---: | --- | --- | ---: | ---: |");
    for form in ["envelope", "bare"] {
        for name in ["tracked", "reported", "echo", "stats", "init"] {
            compare(name, form, 3)?;
        }
    }
    compare("tracked", "envelope", 100)?;
    compare("reported", "envelope", 100)?;
    for name in ["tracked", "reported", "shuffled"] {
        compare(name, "envelope", 10_000)?;
    }
    pretty_printed()
}

/// The program itself, with a file as its input.
fn from_a_file() -> Result<()> {
    let workload = Workload::new("tracked", "envelope", 3);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tracked.jsonl");
    let input = workload.input.repeat(10);
    fs::write(&path, &input)?;
    let mut node = Command::new(env!("CARGO_BIN_EXE_least-connections"));
    node.args(&workload.names).stdout(Stdio::null());
    let mut times = [0.0; 9];
    for seconds in &mut times {
        *seconds = time(&mut || Ok(node.stdin(File::open(&path)?).status().map(drop)?))?;
    }
    times.sort_by(f64::total_cmp);
    let millions = input.lines().count() as f64 / times[4] / 1e6;
    println!("{millions:.1} million requests and completions per second, from a file");
    Ok(())
}

/// How many requests come before as many completions.
const ROUND: usize = 60;

/// Messages, one per line, to a node that is configured with `names`.
struct Workload {
    form: &'static str,
    names: Vec<String>,
    input: String,
}

impl Workload {
    fn new(name: &str, form: &'static str, count: usize) -> Self {
        let names = (1..=count).map(|n| format!("api-{n}")).collect();
        let input = String::new();
        let mut workload = Self { form, names, input };
        // In whole rounds, so that each run starts from the same counts.
        for n in 0..(100_000 / count).next_multiple_of(2 * ROUND) {
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
        let (names, count) = (&self.names, self.names.len());
        let request = r#""type":"http_request","method":"GET","path":"/api/data""#;
        let routed_to = &names[n % ROUND % count];
        let report = |step| {
            let mut entries = Vec::new();
            for place in 0..count {
                // One count is 0, so that no tie depends on the order.
                let active = 50.min((place + n) % count);
                entries.push(format!("{:?}:{active}", names[place * step % count]));
            }
            let entries = entries.join(",");
            format!(r#"{request},"active_connections":{{{entries}}}"#)
        };
        let keys = match name {
            "tracked" if n / ROUND % 2 == 0 => request.to_owned(),
            "tracked" => format!(r#""type":"request_complete","backend":{routed_to:?}"#),
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
    let input = workload.input.as_bytes();
    let mut node = Node::new(workload.names.clone())?;
    let [mut replies, mut same] = [Vec::new(), Vec::new()];
    serve(&mut node, input, &mut replies)?;
    floor(&workload, &mut same)?;
    assert!(replies == same, "both write the same replies");
    let (seconds, ratio) = in_turns(
        &mut || Ok(serve(&mut node, input, io::sink())?),
        &mut || floor(&workload, &mut io::sink()),
    )?;
    let nanoseconds = seconds * 1e9 / workload.input.lines().count() as f64;
    println!("| {count} | {form} | {name} | {nanoseconds:.0} | {ratio} |");
    Ok(())
}

/// Writes the same replies as the node, with less work.
fn floor(workload: &Workload, output: &mut dyn Write) -> Result<()> {
    let mut output = BufWriter::with_capacity(64 << 10, output);
    let names = workload.names.iter().map(String::as_str);
    let mut pool: Vec<_> = names.map(|name| (name, Counters::default())).collect();
    let is_bare = workload.form == "bare";
    for (n, line) in workload.input.lines().enumerate() {
        let request: Request = if is_bare {
            serde_json::from_str(line)?
        } else {
            serde_json::from_str::<Envelope<_>>(line)?.body
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
                pool[n % ROUND % workload.names.len()].1.active_connections -= 1;
                body.active_connections = &pool;
                "request_complete_ok"
            }
            ("stats", _) => {
                body.backends = &pool;
                "stats_ok"
            }
            ("echo", _) => "echo_ok",
            _ => black_box(("init_ok", request.backends, request.algorithm)).0,
        };
        let mut to = serde_json::Serializer::with_formatter(&mut output, Spaced);
        if is_bare {
            body.serialize(&mut to)?;
        } else {
            let (src, dest) = ("lb", "client");
            Envelope { src, dest, body }.serialize(&mut to)?;
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

struct Report<'a>(Vec<(&'a str, u64)>);

impl<'de: 'a, 'a> Deserialize<'de> for Report<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Report(Vec::new()))
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Report<'a> {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
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
    let report = entries.join(",");
    let line = format!(r#"{{"type": "http_request", "active_connections": {{{report}}}}}"#);
    let lines = line.replace(',', ",\n");
    let [mut one, mut other] = [Node::new(Vec::new())?, Node::new(Vec::new())?];
    let (seconds, ratio) = in_turns(
        &mut || Ok(serve(&mut one, lines.as_bytes(), io::sink())?),
        &mut || Ok(serve(&mut other, line.as_bytes(), io::sink())?),
    )?;
    println!("\nA message of 40,000 lines takes {seconds:.3} s, {ratio} times that on one line");
    Ok(())
}

type Work<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Runs two things in turns. Returns the seconds that `one` takes in the pair with the median ratio, and the ratios.
fn in_turns(one: Work, other: Work) -> Result<(f64, String)> {
    let mut pairs = Vec::new();
    for _ in 0..9 {
        let seconds = time(one)?;
        pairs.push((seconds / time(other)?, seconds));
    }
    pairs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let [(lowest, _), (median, seconds), (highest, _)] = [pairs[0], pairs[4], pairs[8]];
    let ratio = format!("{median:.1} ({lowest:.1} to {highest:.1})");
    Ok((seconds, ratio))
}

/// Seconds that one call takes, as the mean of the calls in 150 ms.
fn time(work: Work) -> Result<f64> {
    let begin = Instant::now();
    let mut calls = 0.0;
    while begin.elapsed() < Duration::from_millis(150) {
        work()?;
        calls += 1.0;
    }
    Ok(begin.elapsed().as_secs_f64() / calls)
}
