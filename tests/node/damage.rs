//! Damaged input: whatever becomes of a message, the next one is answered, and nothing is ignored in silence.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use least_connections::{Node, serve};
use serde_json::value::RawValue;

use crate::support::{Random, shortest};

/// Messages of every kind, to be damaged.
const TEMPLATES: &[&str] = &[
    r#"{"src":"c","dest":"n","body":{"type":"init","msg_id":1,"backends":["a","b"],"algorithm":"least-connections","node_id":"n","node_ids":["n","m"]}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"http_request","msg_id":2,"method":"GET","path":"/é","headers":{"h":[1,{"i":null}]}}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"http_request","msg_id":3,"algorithm":"least-connections","active_connections":{"a":5,"b":2}}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"request_complete","msg_id":4,"backend":"a"}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"drain","msg_id":9,"backend":"a"}}"#,
    r#"{"type":"resume","msg_id":10,"backend":"b","in_reply_to":null}"#,
    r#"{"src":"c","dest":"n","body":{"type":"stats","msg_id":5}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"echo","msg_id":6,"echo":{"k":[1.5,"\u00e9\n",{}],"k":true}}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"init_ok","in_reply_to":7}}"#,
    r#"{"type":"http_request","msg_id":8}"#,
    "{\n  \"src\": \"c\",\n  \"dest\": \"n\",\n  \"body\": {\n    \"type\": \"http_request\",\n    \"active_connections\": {\n      \"a\": 1\n    }\n  }\n}",
];

/// Values of every type, some of them at the edge of what JSON is.
const VALUES: &str = r#"null true 0 -0 -1 1.0 1e999 9007199254740992 18446744073709551616 "" "a" "\ud800" "\u0000" [] [[]] ["a","a"] [null] {} {"a":1} {"a":1,"a":2} {"\ud800":1} {"src":"c","dest":"n","body":{}}"#;

/// A template, damaged in one or several ways.
fn damaged_at_random(random: &mut Random) -> Vec<u8> {
    let values: Vec<_> = VALUES.split(' ').collect();
    let mut text = random.pick(TEMPLATES).as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        if text.is_empty() {
            break;
        }
        let at = random.below(text.len());
        let until = text.len().min(at + 1 + random.below(8));
        match random.below(11) {
            0 => drop(text.drain(at..until)),
            1 => drop(text.splice(at..at, text[at..until].to_vec())),
            2 => text[at] = u8::try_from(random.below(256)).expect("it is a byte"),
            3 => text.truncate(at),
            4 => drop(text.drain(..at)),
            5 => {
                let other = random.pick(TEMPLATES).as_bytes();
                let from = random.below(other.len());
                text.truncate(at);
                text.extend_from_slice(&other[from..]);
            }
            6 => text.insert(at, *random.pick(b"{}[]\",:\\\n\r \t\0\x7f\x80\xc3\xff")),
            7 => drop(text.splice(at..at, random.pick(&values).bytes())),
            8 => drop(text.splice(at..at, *b"\xed\xa0\x80")),
            // Another value after a colon.
            9 => {
                let begin = text[at..]
                    .iter()
                    .position(|byte| *byte == b':')
                    .map_or(at, |n| at + n + 1);
                let end = text[begin..]
                    .iter()
                    .position(|byte| b",}".contains(byte))
                    .map_or(begin, |n| begin + n);
                drop(text.splice(begin..end, random.pick(&values).bytes()));
            }
            _ => text.swap(at, until - 1),
        }
    }
    text
}

/// An envelope that must be answered after damaged input.
fn sentinel(number: usize) -> String {
    format!(
        r#"{{"src":"c","dest":"n","body":{{"type":"echo","msg_id":{number},"echo":"sentinel"}}}}"#
    )
}

fn sentinel_ok(number: usize) -> String {
    format!(
        r#"{{"src": "n", "dest": "c", "body": {{"type": "echo_ok", "in_reply_to": {number}, "echo": "sentinel"}}}}"#
    )
}

/// Each damaged message on lines of its own, and a sentinel after it.
fn input(damaged: &[Vec<u8>]) -> Vec<u8> {
    let mut input = Vec::new();
    for (number, text) in damaged.iter().enumerate() {
        input.extend_from_slice(text);
        input.extend_from_slice(format!("\n{}\n", sentinel(number)).as_bytes());
    }
    input
}

/// Whether a line is a reply: an envelope or a bare body, with a known type. (An echo in it may hold numbers and strings
/// that few readers have a type for.)
fn is_reply(line: &str) -> bool {
    const BARE: &str = r#"{"type": ""#;
    const TYPES: &str =
        "init_ok http_response request_complete_ok drain_ok resume_ok stats_ok echo_ok error";
    let object: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(line);
    let body = match object {
        Ok(object) if line.starts_with(r#"{"src": ""#) => object["body"].get(),
        Ok(_) => line,
        Err(_) => return false,
    };
    let kind = body
        .strip_prefix(BARE)
        .and_then(|rest| rest.split('"').next());
    kind.is_some_and(|kind| TYPES.split(' ').any(|known| known == kind))
}

/// All replies and all warnings that an input gets, in one stream. (The program writes only 100 warnings.)
fn served(backends: &[&str], input: impl Read) -> String {
    struct Shared<'a>(&'a RefCell<Vec<u8>>);
    impl Write for Shared<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = RefCell::new(Vec::new());
    let mut node =
        Node::new(backends.iter().map(|&name| name.to_owned()).collect()).expect("no name repeats");
    serve(&mut node, input, Shared(&written), |warning| {
        writeln!(Shared(&written), "{warning}").expect("writing to memory cannot fail");
    })
    .expect("writing to memory cannot fail");
    String::from_utf8(written.into_inner()).expect("all of it is UTF-8")
}

/// The first rule that the output for these messages breaks, if any.
fn complaint(damaged: &[Vec<u8>]) -> Option<String> {
    let written = served(&[], &input(damaged)[..]);
    let mut lines = written.lines();
    for (number, text) in damaged.iter().enumerate() {
        let sentinel_ok = sentinel_ok(number);
        let mut lines_about_it = 0;
        loop {
            let Some(line) = lines.next() else {
                return Some(format!("sentinel {number} has no answer"));
            };
            if line == sentinel_ok {
                break;
            }
            lines_about_it += 1;
            if !is_reply(line) && !line.starts_with("line ") {
                return Some(format!("this is neither a reply nor a warning: {line}"));
            }
        }
        let blank = text.iter().all(|byte| b" \t\r\n".contains(byte));
        if !blank && lines_about_it == 0 {
            return Some(format!("damaged message {number} was ignored in silence"));
        }
    }
    let line = lines.next()?;
    Some(format!("one line too many: {line}"))
}

#[track_caller]
fn assert_survived(damaged: &[Vec<u8>], origin: &str) {
    if complaint(damaged).is_none() {
        return;
    }
    let mut short = shortest(damaged, |damaged| complaint(damaged).is_some());
    if let [only] = &short[..] {
        short = vec![shortest(only, |text| complaint(&[text.to_vec()]).is_some())];
    }
    let complaint = complaint(&short).expect("there was one a moment ago");
    panic!(
        "{origin}: {complaint}\n{}",
        String::from_utf8_lossy(&input(&short))
    );
}

#[test]
fn random_damage_takes_no_later_message_with_it() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let damaged: Vec<_> = (0..1000).map(|_| damaged_at_random(&mut random)).collect();
        assert_survived(&damaged, &format!("seed {seed}"));
    }
}

/// Input of every kind in which no reply depends on the clock.
fn mixed_input(random: &mut Random) -> Vec<u8> {
    let mut damaged: Vec<_> = (0..200).map(|_| damaged_at_random(random)).collect();
    damaged.retain(|text| !text.windows(5).any(|bytes| bytes == b"stats"));
    for text in TEMPLATES {
        damaged.insert(
            random.below(damaged.len()),
            text.replace('\n', "\r\n")
                .replace("stats", "echo")
                .into_bytes(),
        );
    }
    [b"\xef\xbb\xbf", &damaged.join(&b'\n')[..]].concat()
}

/// A reader of a random number of bytes at a time, mostly few.
struct InPieces<'a>(&'a [u8], Random);

impl Read for InPieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = if self.1.below(10) == 0 {
            5000
        } else {
            1 + self.1.below(3)
        };
        let size = size.min(into.len());
        self.0.read(&mut into[..size])
    }
}

#[test]
fn the_same_bytes_read_few_at_a_time_give_the_same_output() {
    for seed in 0..50 {
        let input = mixed_input(&mut Random(seed));
        let in_pieces = served(&["a"], InPieces(&input, Random(seed)));
        assert!(in_pieces == served(&["a"], &input[..]), "seed {seed}");
    }
}
