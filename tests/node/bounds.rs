//! Memory stays bounded and the next message is answered, however large or endless the input is.
#![cfg(target_os = "linux")]

use std::fs::read_to_string;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::thread;

use crate::support::start_on_one_stream;

const MIB: usize = 1 << 20;

/// An envelope that is answered with `MARK_OK`, which nothing else is.
const MARK: &str =
    "{\"src\":\"c\",\"dest\":\"n\",\"body\":{\"type\":\"echo\",\"msg_id\":77,\"echo\":\"mark\"}}\n";
const MARK_OK: &str = "{\"src\": \"n\", \"dest\": \"c\", \"body\": {\"type\": \"echo_ok\", \"in_reply_to\": 77, \"echo\": \"mark\"}}";

/// The most memory that a process has had so far, in bytes, as the kernel counts it.
fn peak_memory(child: &Child) -> usize {
    let status = read_to_string(format!("/proc/{}/status", child.id())).expect("it is running");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the kernel tells");
    let kib: usize = peak
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("it is a number");
    kib * 1024
}

/// Feeds `piece` so many times, then a line break and a sound message; that has its answer, and the program has had no
/// more memory than `limit`. Returns how many lines were said before that answer.
#[track_caller]
fn bounded(begin: &str, piece: &str, times: usize, limit: usize) -> usize {
    let mut child = start_on_one_stream();
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let (lines_before, peak) = thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            stdin.write_all(begin.as_bytes()).expect("it reads");
            for _ in 0..times {
                stdin.write_all(piece.as_bytes()).expect("it reads");
            }
            stdin
                .write_all(format!("\n{MARK}").as_bytes())
                .expect("it reads");
            stdin
        });
        let lines_before = stdout
            .lines()
            .map_while(Result::ok)
            .take_while(|line| line != MARK_OK)
            .count();
        let peak = peak_memory(&child);
        drop(feeder.join().expect("it has fed everything"));
        (lines_before, peak)
    });
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(peak < limit, "it took {} MiB", peak / MIB);
    lines_before
}

/// What one longest message and what belongs to it may take.
const SOME_TENS: usize = 72 * MIB;

#[test]
fn endless_text_that_is_no_message() {
    assert_eq!(bounded("", &"x".repeat(MIB), 256, SOME_TENS), 1);
}

#[test]
fn an_endless_text_within_a_message() {
    assert_eq!(bounded("{\"a\": \"", &"x".repeat(MIB), 256, SOME_TENS), 1);
}

#[test]
fn endless_nesting() {
    assert_eq!(bounded("{\"a\":", &"[".repeat(MIB), 256, SOME_TENS), 1);
}

#[test]
fn endless_white_space() {
    assert_eq!(bounded("", &" ".repeat(MIB), 256, SOME_TENS), 0);
}

#[test]
fn endless_blank_lines_within_a_message_and_without() {
    assert_eq!(bounded("{", &"\n".repeat(MIB), 18, SOME_TENS), 1);
    assert_eq!(bounded("", &"\n".repeat(MIB), 2, SOME_TENS), 0);
}

#[test]
fn endless_messages_on_one_line() {
    let message = format!("{{\"type\": \"stats\", \"x\": \"{}\"}}", "x".repeat(1000));
    assert_eq!(bounded("", &message.repeat(1000), 64, SOME_TENS), 64_000);
}

#[test]
fn millions_of_lines_that_never_finish_a_message() {
    // Of 16 MiB each, but for the last.
    let lines = 4 * MIB;
    assert_eq!(bounded("", "{\"a\":\n", 0, SOME_TENS), 0);
    assert_eq!(
        bounded("", &"{\"a\":\n".repeat(lines / 64), 64, SOME_TENS),
        lines * 6 / (16 * MIB) + 1
    );
}

#[test]
fn a_million_lines_that_are_each_unreadable() {
    assert_eq!(bounded("", &"}\n".repeat(10_000), 100, 8 * MIB), 1_000_000);
}

#[test]
fn a_message_of_15_mib_is_answered_and_one_of_17_is_not() {
    let echo = |size: usize| format!("{{\"type\": \"echo\", \"echo\": \"{}\"}}", "x".repeat(size));
    assert_eq!(bounded("", &echo(15 * MIB), 1, SOME_TENS), 1);
    assert_eq!(bounded("", &echo(17 * MIB), 1, SOME_TENS), 1);
}

#[test]
fn a_pretty_printed_message_of_ten_thousand_lines() {
    let counts: Vec<_> = (0..10_000)
        .map(|number| format!("    \"api-{number}\": {number}"))
        .collect();
    let message = format!(
        "{{\n  \"type\": \"http_request\",\n  \"active_connections\": {{\n{}\n  }}\n}}",
        counts.join(",\n")
    );
    assert_eq!(bounded("", &message, 1, 16 * MIB), 1);
}

#[test]
fn a_million_messages_take_no_more_memory_than_one() {
    let message =
        "{\"type\": \"http_request\", \"active_connections\": {\"a\": 1, \"b\": 2, \"c\": 3}}\n";
    assert_eq!(bounded("", &message.repeat(1000), 1000, 8 * MIB), 1_000_000);
}
