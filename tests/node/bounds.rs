//! Memory stays bounded, and the next message is answered, however large or endless the input is.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::io::{BufRead, BufReader, Write};
use std::iter;
use std::process::Child;
use std::thread;

use crate::support::start_on_one_stream;

const MIB: usize = 1 << 20;

/// The longest line and the longest message.
const MAX: usize = 16 * MIB;

/// What a few longest lines take.
const SOME_TENS: usize = 72 * MIB;

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
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("the kernel counts it")
        * 1024
}

/// The replies and the warnings that an input gets, counted.
#[derive(Debug, PartialEq)]
struct Counted {
    replies: usize,
    warnings: usize,
}

const NOTHING: Counted = Counted {
    replies: 0,
    warnings: 0,
};
const ONE_WARNING: Counted = Counted {
    replies: 0,
    warnings: 1,
};

fn replies(replies: usize) -> Counted {
    Counted {
        replies,
        warnings: 0,
    }
}

/// Sends some pieces, then a line break and an envelope. The envelope must be answered, and the program must have had
/// no more memory than `limit`. Returns what it wrote before that.
#[track_caller]
fn assert_bounded<'a>(limit: usize, pieces: impl Iterator<Item = &'a str> + Send) -> Counted {
    let mut child = start_on_one_stream();
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut counted = NOTHING;
    let peak = thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            for piece in pieces {
                stdin.write_all(piece.as_bytes()).expect("it reads");
            }
            writeln!(stdin, "\n{MARK}").expect("it reads");
            stdin
        });
        let lines = stdout.lines().map_while(Result::ok);
        for line in lines.take_while(|line| line != MARK_OK) {
            if line.starts_with('{') {
                counted.replies += 1;
            } else {
                counted.warnings += 1;
            }
        }
        let peak = peak_memory(&child);
        drop(feeder.join().expect("it has sent everything"));
        peak
    });
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(peak < limit, "{} MiB", peak / MIB);
    counted
}

/// A piece that is sent again and again.
fn repeated(piece: &str, mib: usize) -> impl Iterator<Item = &str> + Send {
    iter::repeat_n(piece, mib * MIB / piece.len())
}

mod endless {
    use super::*;

    /// Asserts that `begin`, then `piece` without end, takes little memory and gets one warning.
    #[track_caller]
    fn assert_one_warning(begin: &str, piece: &str) {
        let piece = piece.repeat(MIB / piece.len());
        let pieces = iter::once(begin).chain(repeated(&piece, 256));
        assert_eq!(assert_bounded(SOME_TENS, pieces), ONE_WARNING);
    }

    #[test]
    fn garbage() {
        assert_one_warning("", "x");
    }

    #[test]
    fn white_space() {
        assert_one_warning("", " ");
    }

    #[test]
    fn strings_within_a_message() {
        assert_one_warning(r#"{"a": ""#, "x");
    }

    #[test]
    fn nesting() {
        assert_one_warning(r#"{"a":"#, "[");
    }

    #[test]
    fn messages_on_one_line() {
        assert_one_warning("", r#"{"type": "stats"}"#);
    }

    #[test]
    fn lines_that_are_not_json() {
        assert_one_warning("", "}\n");
    }

    #[test]
    fn blank_lines() {
        let lines = "\n".repeat(MIB);
        assert_eq!(assert_bounded(8 * MIB, repeated(&lines, 16)), NOTHING);
        // Within a message, they are a part of it.
        let pieces = iter::once("{").chain(repeated(&lines, 20));
        assert_eq!(assert_bounded(SOME_TENS, pieces), ONE_WARNING);
    }

    #[test]
    fn lines_that_never_finish_a_message() {
        let lines = "{\"a\":\n".repeat(MIB / 6);
        let warnings = 64 * MIB / MAX;
        let counted = assert_bounded(SOME_TENS, repeated(&lines, 64));
        assert_eq!(
            counted,
            Counted {
                replies: 0,
                warnings
            }
        );
    }

    #[test]
    fn requests() {
        let message = r#"{"type": "http_request", "active_connections": {"a": 1, "b": 2, "c": 3}}"#;
        let lines = format!("{message}\n").repeat(1000);
        let counted = assert_bounded(8 * MIB, iter::repeat_n(lines.as_str(), 1000));
        assert_eq!(counted, replies(1_000_000));
    }
}

#[test]
fn a_message_of_16_mib_is_answered_and_a_longer_one_is_not() {
    let echo = |size: usize| format!(r#"{{"type": "echo", "echo": "{}"}}"#, "x".repeat(size - 28));
    let answered = |size| assert_bounded(SOME_TENS, iter::once(echo(size).as_str()));
    assert_eq!(answered(MAX), replies(1));
    assert_eq!(answered(MAX + 1), ONE_WARNING);
}

/// Messages take at most 32 times the memory of the longest, whatever they hold and whatever came before.
mod memory_for {
    use super::*;

    /// Different names, as short as they can be.
    fn names() -> impl Iterator<Item = String> {
        let characters: Vec<_> = (' '..='\u{7f}').filter(|c| !"\"\\".contains(*c)).collect();
        (0..).map(move |number: usize| {
            let (mut name, mut rest) = (String::new(), number);
            loop {
                name.push(characters[rest % characters.len()]);
                rest /= characters.len();
                if rest == 0 {
                    return name;
                }
                rest -= 1;
            }
        })
    }

    /// As many entries as fit between `begin` and `end`.
    fn filled(begin: &str, entries: impl Iterator<Item = String>, end: &str) -> String {
        let mut message = String::with_capacity(MAX);
        message.push_str(begin);
        for entry in entries {
            if message.len() + entry.len() + end.len() > MAX {
                break;
            }
            write!(message, "{entry},").expect("writing to memory cannot fail");
        }
        message.pop();
        message + end + "\n"
    }

    fn list(key: &str) -> String {
        let begin = format!(r#"{{"type":"init","{key}":["#);
        filled(&begin, names().map(|name| format!("\"{name}\"")), "]}")
    }

    fn report(entries: impl Iterator<Item = String>) -> String {
        let begin = r#"{"type":"http_request","active_connections":{"#;
        filled(begin, entries, "}}")
    }

    /// A request that looks a name up.
    const LOOKUP: &str = "{\"type\":\"drain\",\"backend\":\"a\"}\n";

    #[track_caller]
    fn assert_all_answered(messages: &[&str]) {
        let longest = messages.iter().map(|message| message.len()).max();
        let limit = 32 * longest.expect("there are messages");
        let sent = messages.iter().copied();
        assert_eq!(assert_bounded(limit, sent), replies(messages.len()));
    }

    #[test]
    fn backends_after_as_many() {
        let init = list("backends");
        assert_all_answered(&[&init, LOOKUP, &init, LOOKUP]);
    }

    #[test]
    fn node_ids_then_other_backends() {
        let guess = list("node_ids");
        let counts = names().map(|name| format!("\"!{name}!\":0"));
        assert_all_answered(&[&guess, LOOKUP, &report(counts), LOOKUP]);
    }

    #[test]
    fn node_ids_then_the_same_backends_in_other_orders() {
        let guess = list("node_ids");
        let mut names: Vec<_> = names().take(1_500_000).collect();
        let counts = |names: &[String]| report(names.iter().map(|name| format!("\"{name}\":0")));
        let in_order = counts(&names);
        names.reverse();
        let reversed = counts(&names);
        // An escape leaves a message to the careful reader.
        let escaped = in_order.replacen("http_request", "http_reques\\u0074", 1);
        assert_all_answered(&[&guess, &reversed, LOOKUP, &in_order, &in_order, &escaped]);
    }

    #[test]
    fn escaped_names() {
        let guess = list("node_ids");
        let counts = names().map(|name| format!("\"\\n{name}\":0"));
        assert_all_answered(&[&guess, LOOKUP, &report(counts), LOOKUP]);
    }

    #[test]
    fn equal_names_and_wrong_ones() {
        let init = list("backends");
        let begin = r#"{"type":"init","backends":["#;
        let list = |entry: &str, end: &str| filled(begin, iter::repeat(entry.to_owned()), end);
        let (equal, wrong, zeros) = (list("\"\"", "]}"), list("\"\"", ",0]}"), list("0", "]}"));
        let counts = report(iter::repeat("\"\":0".to_owned()));
        assert_all_answered(&[&init, LOOKUP, &equal, &wrong, &zeros, &counts]);
    }

    #[test]
    fn one_name_more_than_a_hash_table_had_room_for() {
        const COUNT: usize = (1 << 19) * 7 / 8 + 1;
        let list = |key: &str, escape: &str| {
            let begin = format!(r#"{{"type":"init","{key}":["#);
            let names = names().take(COUNT);
            filled(
                &begin,
                names.map(|name| format!("\"{escape}{name}\"")),
                "]}",
            )
        };
        let counts = |escape: &str| {
            let names = names().take(COUNT);
            report(names.map(|name| format!("\"{escape}{name}\":0")))
        };
        for escape in ["", "\\n"] {
            let init = list("backends", escape);
            assert_all_answered(&[&init, LOOKUP, &init, LOOKUP]);
            assert_all_answered(&[&counts(escape), LOOKUP]);
        }
        assert_all_answered(&[&list("node_ids", ""), LOOKUP, &counts("\\n"), LOOKUP]);
    }

    #[test]
    fn unused_keys() {
        let init = list("backends");
        let begin = r#"{"type":"drain","backend":"a","#;
        let repeated = filled(begin, iter::repeat("\"\":0".to_owned()), "}");
        let (open, closed) = ("[".repeat(7 * MIB), "]".repeat(7 * MIB));
        let nested = format!("{begin}\"x\":{open}{closed}}}\n");
        assert_all_answered(&[&init, LOOKUP, &repeated, &nested]);
    }
}
