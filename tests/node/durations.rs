//! Whether least connections pays: a simulation of it and of round robin, for the figures in the README.
//!
//! The clock is the simulation's own, so nothing sleeps. Requests arrive at random. A backend serves one request at a time,
//! in the order in which it got them. Both rules get the same requests.
#![expect(clippy::cast_precision_loss, reason = "two digits are shown")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use least_connections::LeastConnections;

use crate::support::Random;

const README: &str = include_str!("../../README.md");

const BACKENDS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// What is simulated: how long a request takes, each with the same chance; how much of what the backends can do is asked of
/// them, in percent; how many requests; and a backend at which each of them takes three times as long.
struct Setting<'a>(&'a [u64], u32, usize, Option<usize>);

/// How long a request takes from its arrival to its end, in milliseconds; and how many the first backend got, in percent.
struct Outcome {
    mean: f64,
    percentile_99: f64,
    first: f64,
}

impl Setting<'_> {
    /// `route` chooses a backend. It is passed the backends of the requests that have ended since the last choice.
    fn simulate(&self, mut route: impl FnMut(&[usize]) -> usize) -> Outcome {
        let Self(durations, load, requests, slow) = *self;
        let mean = durations.iter().sum::<u64>() as f64 / durations.len() as f64;
        let mean_gap = mean / BACKENDS.len() as f64 * 100.0 / f64::from(load);
        // The ratios of the seeds up to 59 are within a quarter of this one's.
        let mut random = Random(0);
        let mut arrival = Duration::ZERO;
        let mut free_at = [Duration::ZERO; BACKENDS.len()];
        let mut ends = BinaryHeap::new();
        let (mut times, mut first) = (Vec::new(), 0);
        for _ in 0..requests {
            // Gaps between independent arrivals are distributed exponentially. The 1 keeps the logarithm finite.
            let uniform = (f64::from((random.next() >> 32) as u32) + 1.0) / 2_f64.powi(32);
            arrival += Duration::from_secs_f64(mean_gap / 1000.0 * -uniform.ln());
            let duration = Duration::from_millis(*random.pick(durations));
            let mut ended = Vec::new();
            while ends.peek().is_some_and(|Reverse((end, _))| *end <= arrival) {
                ended.extend(ends.pop().map(|Reverse((_, backend))| backend));
            }
            let backend = route(&ended);
            let factor = if slow == Some(backend) { 3 } else { 1 };
            free_at[backend] = arrival.max(free_at[backend]) + factor * duration;
            ends.push(Reverse((free_at[backend], backend)));
            times.push(free_at[backend].saturating_sub(arrival));
            first += usize::from(backend == 0);
        }
        times.sort_unstable();
        let sum: Duration = times.iter().sum();
        Outcome {
            mean: sum.as_secs_f64() * 1000.0 / requests as f64,
            percentile_99: times[requests * 99 / 100].as_secs_f64() * 1000.0,
            first: first as f64 * 100.0 / requests as f64,
        }
    }

    fn round_robin(&self) -> Outcome {
        let mut turns = (0..BACKENDS.len()).cycle();
        self.simulate(|_| turns.next().expect("a cycle has no end"))
    }

    fn least_connections(&self) -> Outcome {
        let mut balancer = LeastConnections::new(&BACKENDS).expect("no name repeats");
        self.simulate(|ended| {
            for &backend in ended {
                let name = BACKENDS[backend];
                balancer.complete(name).expect("it was routed there");
            }
            balancer.route(&[], 0).expect("none is draining")
        })
    }
}

/// The number rounded to two digits: 0.96, 1.4, 54, 5100.
fn two_digits(number: f64) -> f64 {
    let rounded = format!("{number:.1e}");
    rounded.parse().expect("it is a number")
}

/// The README says this, wherever its lines break.
#[track_caller]
fn assert_in_readme(sentence: &str) {
    let readme: Vec<_> = README.split_whitespace().collect();
    assert!(readme.join(" ").contains(sentence), "measured: {sentence}");
}

#[test]
fn the_readme_says_how_much_least_connections_gains() {
    let mut one_in_20 = [10; 20];
    one_in_20[0] = 1000;
    for (name, durations, requests) in [
        ("50 ms", &[50][..], 20_000),
        ("10 or 100 ms", &[10, 100], 20_000),
        // Its 99th percentile depends on rare crowds. With 20,000 requests, another seed would change it by half.
        ("10 ms, 1 in 20 takes 1000 ms", &one_in_20, 200_000),
    ] {
        let setting = Setting(durations, 70, requests, None);
        let (one, other) = (setting.round_robin(), setting.least_connections());
        let pairs = [
            (one.mean, other.mean),
            (one.percentile_99, other.percentile_99),
        ];
        let [means, percentiles] = pairs.map(|(one, other)| {
            let [ratio, one, other] = [one / other, one, other].map(two_digits);
            format!("{one} ms | {other} ms | {ratio}")
        });
        assert_in_readme(&format!("| {name} | {means} | {percentiles} |"));
    }
}

#[test]
fn the_readme_says_what_the_load_changes() {
    let [low, middle, high] = [30, 50, 90].map(|load| {
        let setting = Setting(&[10, 100], load, 200_000, None);
        setting.round_robin().mean / setting.least_connections().mean
    });
    let ratios = format!("{low:.1} at a load of 30 %, {middle:.1} at 50 % and {high:.1} at 90 %");
    assert_in_readme(&format!("the ratio of the means is {ratios}"));
    let setting = |load| Setting(&[50], load, 20_000, None);
    let [low, high] = [5, 10].map(|load| setting(load).least_connections().first);
    let first = format!("{low:.0} % of all requests go to the first, and at 10 %, {high:.0} %");
    assert_in_readme(&format!("at a load of 5 %, {first}"));
}

#[test]
fn the_readme_says_what_a_slow_backend_does() {
    let setting = |requests, slow| Setting(&[50], 70, requests, Some(slow));
    let seconds = |requests| setting(requests, 0).round_robin().mean / 1000.0;
    let [half, whole] = [20_000, 40_000].map(seconds);
    let growth = format!("{half:.0} s after 20,000 requests and {whole:.0} s after 40,000");
    assert_in_readme(&format!("the mean is {growth}"));
    let mean = |slow| two_digits(setting(40_000, slow).least_connections().mean);
    let [first, last] = [0, 9].map(mean);
    let means = format!("{first} ms if that one is first in the pool and {last} ms if it is last");
    assert_in_readme(&means);
}
