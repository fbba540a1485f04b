//! Memory stays bounded, and the next message is answered, however large or endless the input is.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::io::{BufRead, BufReader, Write};
use std::iter::{once, repeat_n};
use std::process::Child;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::support::{program, start};

const MIB: usize = 1 << 20;

/// An envelope, and its reply, which no other message has.
const MARK: &str =
    r#"{"src": "c", "dest": "n", "body": {"type": "echo", "msg_id": 77, "echo": "mark"}}"#;
const MARK_OK: &str =
    r#"{"src": "n", "dest": "c", "body": {"type": "echo_ok", "in_reply_to": 77, "echo": "mark"}}"#;

/// The most memory that a process has had so far, in bytes.
fn peak_memory(child: &Child) -> usize {
    let status = read_to_string(format!("/proc/{}/status", child.id())).expect("it is running");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let kib = kib.and_then(|kib| kib.parse::<usize>().ok());
    kib.expect("the kernel counts it") * 1024
}

/// Sends some pieces, then a line break and an envelope. There must be so many replies before that to the envelope, and
/// the program must have had no more memory than `mib`.
#[track_caller]
fn assert_bounded<'a>(mib: usize, replies: usize, pieces: impl Iterator<Item = &'a str> + Send) {
    let mut child = start(&mut program(&[]));
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let (sender, counted) = channel();
    let (lines, peak) = thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            for piece in pieces {
                stdin.write_all(piece.as_bytes()).expect("it reads");
            }
            // An object may be torn where a value may come. Then it takes the first one with it.
            writeln!(stdin, "\n{MARK}\n{MARK}").expect("it reads");
            stdin
        });
        scope.spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            let count = lines.by_ref().take_while(|line| line != MARK_OK).count();
            sender.send(count).expect("it is awaited");
            // Read on, so that the program does not end before its memory is known.
            lines.for_each(drop);
        });
        // The time limit makes the test fail, and not hang, if there is no reply.
        let lines = counted.recv_timeout(Duration::from_secs(120));
        let peak = peak_memory(&child);
        if lines.is_err() {
            child.kill().expect("it is running");
        }
        drop(feeder.join().expect("it has sent everything"));
        (lines.expect("there is a reply"), peak)
    });
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(lines, replies, "replies");
    assert!(peak < mib * MIB, "{} MiB", peak / MIB);
}

mod endless {
    use super::*;

    /// Asserts that `begin`, then 128 MiB of `piece`, takes little memory and gets so many answers.
    #[track_caller]
    fn assert_answers(answers: usize, begin: &str, piece: &str) {
        let piece = piece.repeat(MIB / piece.len());
        assert_bounded(96, answers, once(begin).chain(repeat_n(&*piece, 128)));
    }

    #[test]
    fn lines() {
        for (begin, piece) in [("", "x"), ("", " "), ("{\"a\": \"", "x"), ("{\"a\":", "[")] {
            assert_answers(1, begin, piece);
        }
        assert_answers(1, "", r#"{"type": "stats"}"#);
    }

    #[test]
    fn messages() {
        let blank = " ".repeat(1000) + "\n";
        assert_answers(1, "{\"a\":\n", &format!(" [{blank}"));
        assert_answers(1, "[", &blank);
        // Each is dropped at 16 MiB. The next line begins with a brace.
        assert_answers(8, "", &format!("{{\"a\":{blank}"));
    }

    #[test]
    fn lines_between_messages() {
        assert_answers(0, "", &(" ".repeat(1000) + "\n"));
        assert_answers(1, "{x\n", &("x".repeat(1000) + "\n"));
        assert_answers(128 * (MIB / 1001), "", &("x".repeat(1000) + "\n"));
    }

    #[test]
    fn requests() {
        let message = r#"{"type": "http_request", "active_connections": {"a": 1, "b": 2, "c": 3}}"#;
        let lines = format!("{message}\n").repeat(1000);
        assert_bounded(8, 500_000, repeat_n(&*lines, 500));
        let others = [1, 2]
            .map(|n| format!(r#"{{"type": "http_request", "active_connections": {{"{n}": 1}}}}"#));
        let lines = (others.join("\n") + "\n").repeat(1000);
        assert_bounded(8, 200_000, repeat_n(&*lines, 100));
    }

    #[test]
    fn replies_to_one_line() {
        let names: Vec<_> = (0..2000).map(|n| format!("backend-{n}")).collect();
        let init = format!(r#"{{"type": "init", "backends": {names:?}}}"#);
        let line = r#"{"type": "stats"}"#.repeat(8000);
        assert_bounded(64, 8001, [&*init, &line].into_iter());
    }
}

mod memory_for {
    use super::*;

    /// A message of almost 16 MiB: `begin`, entries with short and different names, `end`.
    fn filled(begin: &str, entry: impl Fn(usize) -> String, end: &str) -> String {
        let mut message = String::with_capacity(16 * MIB);
        message.push_str(begin);
        for number in 0.. {
            if message.len() > 16 * MIB - 100 {
                break;
            }
            write!(message, "{},", entry(number)).expect("writing to memory cannot fail");
        }
        message.pop();
        message + end + "\n"
    }

    /// Some tens of times the message.
    const LIMIT: usize = 16 * 40;

    #[test]
    fn a_list_of_names() {
        let begin = r#"{"type":"init","backends":["#;
        let init = filled(begin, |number| format!("\"{number:x}\""), "]}");
        let equal = filled(begin, |_| "\"\"".to_owned(), "]}");
        let wrong = filled(begin, |_| "0".to_owned(), "]}");
        assert_bounded(LIMIT, 4, [&*init, &init, &equal, &wrong].into_iter());
    }

    #[test]
    fn reports_of_new_and_of_known_names() {
        let begin = r#"{"type":"http_request","active_connections":{"#;
        let report = filled(begin, |number| format!("\"{number:x}\":0"), "}}");
        let escaped = report.replace("\":0", "\\u0030\":0");
        assert_bounded(LIMIT, 2, [&*report, &report].into_iter());
        assert_bounded(LIMIT, 1, [&escaped[..16 * MIB], "\n"].into_iter());
    }

    #[test]
    fn keys_that_are_not_used() {
        let begin = r#"{"type":"stats","#;
        let keys = filled(begin, |_| "\"\":0".to_owned(), "}");
        let refused = filled(begin, |_| "\"\":0".to_owned(), ",\"type\":0}");
        let nested = format!(
            "{begin}\"x\":{}{}}}\n",
            "[".repeat(7 * MIB),
            "]".repeat(7 * MIB)
        );
        assert_bounded(LIMIT, 3, [&*keys, &refused, &nested].into_iter());
    }
}
