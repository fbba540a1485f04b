//! Memory stays bounded, and the next message is answered, however large or endless the input is.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::iter::repeat_with;

use crate::support::{Live, STATS, in_time};

const MIB: usize = 1 << 20;

/// A message, and its reply, which no other message has.
const MARK: &str = r#"{"type": "echo", "echo": "mark"}"#;
const MARK_OK: &str = "{\"type\": \"echo_ok\", \"echo\": \"mark\"}\n";

/// The most memory that the program has had so far, in bytes.
fn peak_memory(live: &Live) -> usize {
    let path = format!("/proc/{}/status", live.child.id());
    let status = read_to_string(path).expect("it is running");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let kib = kib.and_then(|kib| kib.parse::<usize>().ok());
    kib.expect("the kernel counts it") * 1024
}

#[track_caller]
fn assert_bounded(mib: usize, replies: usize, begin: String, piece: String, times: usize) {
    let peak = peak_of(replies, begin, piece, times);
    assert!(peak < mib * MIB, "{} MiB", peak / MIB);
}

/// The most memory that `begin`, then `piece` so many times, take, in bytes. They must get so many replies.
#[track_caller]
fn peak_of(replies: usize, begin: String, piece: String, times: usize) -> usize {
    let (live, count) = in_time(move || {
        let mut live = Live::start(&[]);
        live.send(begin);
        (0..times).for_each(|_| live.send(&piece));
        // There is one answer to the mistake, also if it is part of an object that was torn.
        live.send(format!("\n{{x\n{MARK}\n"));
        let others = repeat_with(|| live.reply()).take_while(|reply| reply != MARK_OK);
        let count = others.count();
        (live, count)
    });
    assert_eq!(count, replies + 1, "replies");
    let peak = peak_memory(&live);
    live.assert_ends();
    peak
}

mod endless {
    use super::*;

    /// Asserts that `begin`, then 128 MiB of `piece`, takes little memory and gets so many answers.
    #[track_caller]
    fn assert_answers(answers: usize, begin: &str, piece: &str) {
        let piece = piece.repeat(MIB / piece.len());
        assert_bounded(96, answers, begin.to_owned(), piece, 128);
    }

    #[test]
    fn lines() {
        for (begin, piece) in [("", "x"), ("", " "), ("{\"a\": \"", "x"), ("{\"a\":", "[")] {
            assert_answers(1, begin, piece);
        }
        assert_answers(1, "", STATS);
    }

    #[test]
    fn messages() {
        let blank = " ".repeat(1000) + "\n";
        assert_answers(1, "{\"a\":\n", &format!(" [{blank}"));
        assert_answers(1, "[", &blank);
        // Each is dropped at 16 MiB. The next line begins with a brace. The eighth is torn.
        assert_answers(7, "", &format!("{{\"a\":{blank}"));
    }

    #[test]
    fn lines_between_messages() {
        let text = "x".repeat(1000) + "\n";
        assert_answers(0, "", &(" ".repeat(1000) + "\n"));
        assert_answers(1, "{x\n", &text);
        assert_answers(1, "x [\n", &(" [".repeat(500) + "\n"));
        assert_answers(1, "", "x [ {");
        assert_answers(128 * (MIB / 1001), "", &text);
    }

    #[test]
    fn requests() {
        let request = |counts: &str| {
            format!("{{\"type\": \"http_request\", \"active_connections\": {{{counts}}}}}\n")
        };
        let lines = request(r#""a": 1, "b": 2, "c": 3"#).repeat(1000);
        assert_bounded(8, 500_000, String::new(), lines, 500);
        let others = [r#""1": 1"#, r#""2": 1"#].map(request).concat();
        assert_bounded(8, 200_000, String::new(), others.repeat(1000), 100);
    }

    #[test]
    fn replies_to_one_line() {
        let names: Vec<_> = (0..2000).map(|n| format!("backend-{n}")).collect();
        let init = format!(r#"{{"type": "init", "backends": {names:?}}}"#);
        assert_bounded(64, 8001, init, STATS.to_owned(), 8000);
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

    const INIT: &str = r#"{"type":"init","backends":["#;

    /// Asserts that these messages take some tens of times the memory of one, and are answered.
    #[track_caller]
    fn assert_moderate(messages: &[&str]) {
        assert_bounded(16 * 40, messages.len(), messages.concat(), String::new(), 0);
    }

    #[test]
    fn a_list_of_names() {
        let init = filled(INIT, |number| format!("\"{number:x}\""), "]}");
        let equal = filled(INIT, |_| "\"a\"".to_owned(), "]}");
        let wrong = filled(INIT, |_| "0".to_owned(), "]}");
        assert_moderate(&[&init, &init, &equal, &wrong]);
    }

    /// Names with characters that are escaped in replies take about the memory of others.
    #[test]
    fn replies_with_special_characters() {
        let [plain, special] = ["éé", "\u{80}\u{85}"].map(|special| {
            let init = filled(INIT, |n| format!("\"{n:x}{special}\""), "]}");
            let others = r#"{"type":"stats"} {"type":"http_request"}"#;
            peak_of(3, init, others.to_owned(), 1)
        });
        assert!(special * 2 < plain * 3, "{special} and {plain} bytes");
    }

    #[test]
    fn reports_of_new_and_of_known_names() {
        let begin = r#"{"type":"http_request","active_connections":{"#;
        let report = filled(begin, |number| format!("\"{number:x}\":0"), "}}");
        let escaped = report.replace("\":0", "\\u0030\":0");
        assert_moderate(&[&report, &report]);
        assert_moderate(&[&escaped[..16 * MIB]]);
    }

    #[test]
    fn keys_that_are_not_used() {
        let begin = r#"{"type":"stats","#;
        let keys = filled(begin, |_| "\"\":0".to_owned(), "}");
        let refused = filled(begin, |_| "\"\":0".to_owned(), ",\"type\":0}");
        let [open, close] = ["[", "]"].map(|bracket| bracket.repeat(7 * MIB));
        let nested = format!("{begin}\"x\":{open}{close}}}\n");
        assert_moderate(&[&keys, &refused, &nested]);
    }
}
