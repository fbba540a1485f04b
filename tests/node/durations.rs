//! Whether least connections pays: a simulation of it and of round robin, for the table in the README.
//!
//! The program itself decides, but the clock is the test's own, so nothing sleeps. Requests arrive at random. A backend
//! serves one request at a time, in the order in which it got them. Both rules get the same requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Random, start};

const README: &str = include_str!("../../README.md");

const BACKENDS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// How many of the ten are busy on average: a load of 70 %.
const BUSY: u32 = 7;

struct Request {
    arrival: Duration,
    duration: Duration,
}

/// Random requests. Each of the durations has the same chance.
fn requests(durations: &[Duration], count: usize) -> Vec<Request> {
    let mean_gap = mean(durations) / BUSY;
    // The ratios of the seeds up to 59 are within a quarter of this one's.
    let mut random = Random(0);
    let mut now = Duration::ZERO;
    let mut requests = Vec::new();
    for _ in 0..count {
        // Gaps between independent arrivals are distributed exponentially. The 1 keeps the logarithm finite.
        let uniform = (f64::from((random.next() >> 32) as u32) + 1.0) / 2_f64.powi(32);
        now += mean_gap.mul_f64(-uniform.ln());
        requests.push(Request {
            arrival: now,
            duration: *random.pick(durations),
        });
    }
    requests
}

fn mean(durations: &[Duration]) -> Duration {
    let count = u32::try_from(durations.len()).expect("they are few enough");
    durations.iter().sum::<Duration>() / count
}

/// How long each request takes from its arrival to its end, the quickest first.
///
/// `route` chooses a backend. It is passed the backends of the requests that have ended since the last choice.
fn simulate(requests: &[Request], mut route: impl FnMut(&[usize]) -> usize) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut free_at = [Duration::ZERO; BACKENDS.len()];
    let mut ends = BinaryHeap::new();
    for request in requests {
        let mut ended = Vec::new();
        while let Some(&Reverse((end, backend))) = ends.peek() {
            if end > request.arrival {
                break;
            }
            ends.pop();
            ended.push(backend);
        }
        let backend = route(&ended);
        let wait = free_at[backend].saturating_sub(request.arrival);
        let time = wait + request.duration;
        free_at[backend] = request.arrival + time;
        ends.push(Reverse((free_at[backend], backend)));
        times.push(time);
    }
    times.sort_unstable();
    times
}

/// The pipes of the running program.
struct Node {
    stdin: BufWriter<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Node {
    /// Completes the requests that have ended, and routes the next.
    fn route(&mut self, ended: &[usize]) -> usize {
        for &backend in ended {
            let name = BACKENDS[backend];
            self.send(&format!(
                r#"{{"type": "request_complete", "backend": "{name}"}}"#
            ));
        }
        self.send(r#"{"type": "http_request"}"#);
        // One flush for all of them saves time.
        self.stdin.flush().expect("the program reads");
        for &backend in ended {
            assert_eq!(self.reply(), backend);
        }
        self.reply()
    }

    fn send(&mut self, message: &str) {
        writeln!(self.stdin, "{message}").expect("the program reads");
    }

    /// The backend that the next reply names. (An error names none.)
    fn reply(&mut self) -> usize {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it is UTF-8");
        let reply: Value = serde_json::from_str(&line).expect("it is JSON");
        let index = BACKENDS.iter().position(|name| reply["backend"] == *name);
        index.unwrap_or_else(|| panic!("no backend in {line}"))
    }
}

/// A row of the README's table: the same requests under both rules.
fn row(name: &str, durations: &[Duration], count: usize) -> String {
    let requests = requests(durations, count);

    let mut turns = (0..BACKENDS.len()).cycle();
    let round_robin = simulate(&requests, |_| turns.next().expect("a cycle has no end"));

    let mut child = start(&BACKENDS);
    let mut node = Node {
        stdin: BufWriter::new(child.stdin.take().expect("it is piped")),
        stdout: BufReader::new(child.stdout.take().expect("it is piped")),
    };
    let least_connections = simulate(&requests, |ended| node.route(ended));
    drop(node);
    child.wait().expect("it ends");

    let means = compare(mean(&round_robin), mean(&least_connections));
    let last = count * 99 / 100;
    let percentiles = compare(round_robin[last], least_connections[last]);
    format!("| {name} | {means} | {percentiles} |\n")
}

fn compare(round_robin: Duration, least_connections: Duration) -> String {
    let milliseconds = |time: Duration| two_digits(time.as_secs_f64() * 1000.0);
    format!(
        "{} ms | {} ms | {}",
        milliseconds(round_robin),
        milliseconds(least_connections),
        two_digits(round_robin.div_duration_f64(least_connections)),
    )
}

/// The number rounded to two digits: 0.96, 1.4, 54, 5100.
fn two_digits(number: f64) -> f64 {
    let rounded = format!("{number:.1e}");
    rounded.parse().expect("it is a number")
}

#[test]
fn the_readme_says_how_much_least_connections_gains() {
    let ms = Duration::from_millis;
    let mut one_in_20 = [ms(10); 20];
    one_in_20[0] = ms(1000);
    let measured = [
        "| requests take | mean: round robin | least connections | ratio \
         | 99th percentile: round robin | least connections | ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        &row("50 ms", &[ms(50)], 20_000),
        &row("10 or 100 ms", &[ms(10), ms(100)], 20_000),
        // Its 99th percentile depends on rare crowds. With 20,000 requests, another seed would change it by half.
        &row("10 ms, 1 in 20 takes 1000 ms", &one_in_20, 200_000),
    ]
    .concat();

    let mut sections = README.split("\n## ");
    let section = sections.find(|section| section.starts_with("How it decides"));
    let lines = section.expect("it is there").split_inclusive('\n');
    let shown: String = lines.filter(|line| line.starts_with('|')).collect();
    assert!(shown == measured, "measured:\n{measured}");
}
