//! Damaged input: whatever becomes of a message, a later one is answered.

use std::collections::HashSet;
use std::io::{self, Read};

use least_connections::{Node, serve};
use serde_json::value::RawValue;

use crate::support::{Random, shortest, without_times};

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
        match random.below(9) {
            0 => drop(text.drain(at..until)),
            1 => drop(text.splice(at..at, text[at..until].to_vec())),
            2 => text[at] = u8::try_from(random.below(256)).expect("it is a byte"),
            3 => text.truncate(at),
            4 => drop(text.drain(..at)),
            5 => {
                let other = random.pick(TEMPLATES).as_bytes();
                text.truncate(at);
                text.extend_from_slice(&other[random.below(other.len())..]);
            }
            6 => text.insert(at, *random.pick(b"{}[]\",:\\\n\r \t\0\x7f\x80\xc3\xff")),
            7 => drop(text.splice(at..at, random.pick(&values).bytes())),
            // Another value after a colon.
            _ => {
                let colon = text[..at].iter().rposition(|byte| *byte == b':');
                let begin = colon.map_or(at, |colon| colon + 1);
                let end = text[begin..].iter().position(|byte| b",}".contains(byte));
                let end = end.map_or(begin, |length| begin + length);
                drop(text.splice(begin..end, random.pick(&values).bytes()));
            }
        }
    }
    text
}

/// Each damaged message on lines of its own, and two others after it. An object that is torn where a value may come takes
/// the first one with it. The second must be answered.
fn input(damaged: &[Vec<u8>]) -> Vec<u8> {
    let mut input = Vec::new();
    for (number, text) in damaged.iter().enumerate() {
        input.extend_from_slice(text);
        let second = format!(r#"{{"type":"echo","msg_id":{number},"echo":"after"}}"#);
        input.extend_from_slice(format!("\n{{\"type\":\"stats\"}}\n{second}\n").as_bytes());
    }
    input
}

/// Whether a line is a reply: an envelope or a bare body.
fn is_reply(line: &str) -> bool {
    let is_json = serde_json::from_str::<&RawValue>(line).is_ok();
    is_json
        && [r#"{"type": ""#, r#"{"src": ""#]
            .iter()
            .any(|begin| line.starts_with(begin))
}

/// All replies that an input gets.
fn served(backends: &[&str], input: impl Read) -> String {
    let backends = backends.iter().map(|&name| name.to_owned()).collect();
    let mut node = Node::new(backends).expect("no name repeats");
    let mut replies = Vec::new();
    serve(&mut node, input, &mut replies).expect("writing to memory cannot fail");
    String::from_utf8(replies).expect("all of it is UTF-8")
}

/// The first rule that the replies to these messages break, if any.
fn complaint(damaged: &[Vec<u8>]) -> Option<String> {
    let replies = served(&[], &input(damaged)[..]);
    let replies: HashSet<_> = replies.lines().collect();
    if let Some(line) = replies.iter().find(|line| !is_reply(line)) {
        return Some(format!("this is no reply: {line}"));
    }
    let expected = (0..damaged.len()).map(|number| {
        format!(r#"{{"type": "echo_ok", "in_reply_to": {number}, "echo": "after"}}"#)
    });
    let lost = expected
        .into_iter()
        .find(|reply| !replies.contains(reply.as_str()))?;
    Some(format!("there is no {lost}"))
}

#[test]
fn random_damage_takes_no_later_message_with_it() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let damaged: Vec<_> = (0..1000).map(|_| damaged_at_random(&mut random)).collect();
        if complaint(&damaged).is_some() {
            let fails = |damaged: &[Vec<u8>]| complaint(damaged).is_some();
            let mut short = shortest(&damaged, fails);
            if let [only] = &short[..] {
                short = vec![shortest(only, |text| fails(&[text.to_vec()]))];
            }
            let complaint = complaint(&short).expect("there was one a moment ago");
            panic!("{complaint}\n{}", String::from_utf8_lossy(&input(&short)));
        }
    }
}

/// A reader of a random number of bytes at a time, mostly few.
struct InPieces<'a>(&'a [u8], Random);

impl Read for InPieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = *self.1.pick(&[1, 2, 3, 5000]);
        self.0.read(&mut into[..most])
    }
}

#[test]
fn the_same_bytes_read_few_at_a_time_give_the_same_output() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let damaged: Vec<_> = (0..200).map(|_| damaged_at_random(&mut random)).collect();
        let input = input(&damaged);
        let in_pieces = without_times(&served(&["a"], InPieces(&input, random)));
        assert!(
            in_pieces == without_times(&served(&["a"], &input[..])),
            "seed {seed}"
        );
    }
}
