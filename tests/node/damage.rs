//! Damaged input: whatever becomes of a message, a later one is answered.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};

use serde_json::value::RawValue;

use crate::support::{Random, serve, shortest, without_times};

/// Messages of every kind, to be damaged.
const TEMPLATES: &[&str] = &[
    r#"{"src":"c","dest":"n","body":{"type":"init","msg_id":1,"backends":["a","b"],"algorithm":"least-connections","node_id":"n","node_ids":["n","m"]}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"http_request","msg_id":2,"method":"GET","path":"/é","headers":{"h":[1,{"i":null}]}}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"http_request","msg_id":3,"algorithm":"least-connections","active_connections":{"a":5,"b":2}}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"request_complete","msg_id":4,"backend":"a"}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"drain","msg_id":9,"backend":"a"}}"#,
    r#"{"type":"resume","msg_id":10,"backend":"b","in_reply_to":null}"#,
    r#"{"src":"c","body":{"type":"add","msg_id":11,"backend":"c"}}"#,
    r#"{"type":"remove","msg_id":12,"backend":"b"} Found [ {"#,
    r#"{"src":"c","dest":"n","body":{"type":"stats","msg_id":5}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"echo","msg_id":6,"echo":{"k":[1.5,"\u00e9\n",{}],"k":true}}}"#,
    r#"{"src":"c","dest":"n","body":{"type":"init_ok","in_reply_to":7}}"#,
    r#"{"type":"http_request","msg_id":8}"#,
    "{\n  \"src\": \"c\",\n  \"dest\": \"n\",\n  \"body\": {\n    \"type\": \"http_request\",\n    \"active_connections\": {\n      \"a\": 1\n    }\n  }\n}",
];

/// Values of every type, some of them at the edge of what JSON is.
const VALUES: &str = r#"null true 0 -0 -1 1.0 1e999 9007199254740992 18446744073709551616 "" "a" "\ud800" "\u0000" [] [[]] ["a","a"] [null] {} {"a":1} {"a":1,"a":2} {"\ud800":1} {"src":"c","dest":"n","body":{}}"#;

/// A template, in which one or several parts are replaced.
fn damaged_at_random(random: &mut Random) -> Vec<u8> {
    let values: Vec<_> = VALUES.split(' ').collect();
    let mut text = random.pick(TEMPLATES).as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let length = text.len();
        let at = random.below(length + 1);
        let few = length.min(at + 1 + random.below(8));
        // The value after the last colon.
        let colon = text[..at].iter().rposition(|byte| *byte == b':');
        let value = colon.map_or(at, |colon| colon + 1);
        let end = text[value..].iter().position(|byte| b",}".contains(byte));
        let value = (value, value + end.unwrap_or(0));
        let parts = [(0, at), (at, length), (at, at), (at, few), value, value];
        let (from, until) = *random.pick(&parts);
        let other = random.pick(TEMPLATES).as_bytes();
        let new = match random.below(7) {
            0 => Vec::new(),
            1 => text[at..few].repeat(2),
            2 => vec![random.next().to_le_bytes()[0]],
            3 => vec![*random.pick(b"{}[]\",:\\\n\r \t\0\x7f\x80\xc3\xff")],
            4 => other[random.below(other.len())..].to_vec(),
            _ => random.pick(&values).as_bytes().to_vec(),
        };
        text.splice(from..until, new);
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
    let begins = line.starts_with(r#"{"type": ""#) || line.starts_with(r#"{"src": ""#);
    begins && serde_json::from_str::<&RawValue>(line).is_ok()
}

/// The first rule that the replies to these messages break, if any.
fn complaint(damaged: &[Vec<u8>]) -> Option<String> {
    let replies = serve(&[], Cursor::new(input(damaged)));
    let replies: HashSet<_> = replies.lines().collect();
    if let Some(line) = replies.iter().find(|line| !is_reply(line)) {
        return Some(format!("this is no reply: {line}"));
    }
    let second = r#"{"type": "echo_ok", "in_reply_to": NUMBER, "echo": "after"}"#;
    let mut expected = (0..damaged.len()).map(|it| second.replace("NUMBER", &it.to_string()));
    let lost = expected.find(|reply| !replies.contains(reply.as_str()))?;
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
struct InPieces(Cursor<Vec<u8>>, Random);

impl Read for InPieces {
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
        let in_pieces = serve(&["a"], InPieces(Cursor::new(input.clone()), random));
        let whole = serve(&["a"], Cursor::new(input));
        let same = without_times(&in_pieces) == without_times(&whole);
        assert!(same, "seed {seed}");
    }
}
