//! The texts of errors, each of them once. Other tests look for a code and a word.

use serde_json::Value;

use crate::support::{TWO, assert_replies, bytes_of, is_like, run};

/// A pool of two refuses the last of these messages. Of the two, api-1 has none active and api-2 is draining.
const REFUSED: &str = r#"
    {"type": "sing"} => 10 unknown message type "sing": the known ones are init, http_request, request_complete, drain, resume, add, remove, stats, echo
    {"type": "init", "algorithm": "random"} => 10 unknown algorithm "random": the only one is "least-connections"
    {"type": "drain"} => 12 missing "backend": a string, the name of a backend
    {"type": "echo"} => 12 missing "echo": any JSON value
    {"msg_id": null} => 12 missing "type": a string, such as "http_request"
    {"type": 5} => 12 type must be a string, such as "http_request", not 5
    {"type": "init", "backends": "api-1"} => 12 backends must be a list of strings, not "api-1"
    {"type": "http_request", "algorithm": 1} => 12 algorithm must be a string, not 1
    {"type": "init", "node_id": ["n"]} => 12 node_id must be a string, not ["n"]
    {"type": "init", "node_ids": [1,⇥2]} => 12 node_ids must be a list of strings, not [1, 2]
    {"type": "add", "backend": {}} => 12 backend must be a string, the name of a backend, not {}
    {"type": "init", "active_connections": [1,2]} => 12 active_connections must be an object of backend names and integers, not [1,2]
    {"type": "http_request", "active_connections": {"b": 1, "a": "five"}} => 12 active_connections of "a" must be an integer from 0 to 9007199254740991, not "five"
    {"type": "stats", "msg_id": -1} => 12 msg_id must be an integer from 0 to 18446744073709551615, not -1
    {"type": "stats", "type": "stats"} => 12 duplicate field `type`
    {"type": "stats", "msg_id": 1.0, "msg_id": null} => 12 duplicate field `msg_id`
    {"type": "init", "backends": ["b", "a", "b"]} => 12 "b" is listed twice
    {"type": "http_request", "active_connections": {"api-2": 1, "api-1": 1, "api-2": 1}} => 12 "api-2" is listed twice
    {"type": "add", "backend": ""} => 12 a backend's name is empty
    {"type": "drain", "backend": "z"} => 20 unknown backend "z": the pool has "api-1", "api-2"
    {"type": "init", "backends": [], "active_connections": {"z": 0}} => 20 unknown backend "z": the pool is empty
    {"type": "add", "backend": "api-2"} => 21 backend "api-2" is in the pool already
    {"type": "request_complete", "backend": "api-1"} => 22 backend "api-1" has no active connection to complete
    {"type": "drain", "backend": "1234567890123456789012345678901234567890"} => 20 unknown backend "1234567890123456789012345678901234567890": the pool has "api-1", "api-2"
    {"type": "drain", "backend": "ééééééééééééééééééééééééééééééééééééééééé"} => 20 unknown backend "éééééééééééééééééééééééééééééééééééééééé…": the pool has "api-1", "api-2"
    {"type": "drain", "backend": " a  \"'\\\n\u0000\u00a0\u200b\ufefff\u0301"} => 20 unknown backend " a  "'\\n\0\u{a0}\u{200b}\u{feff}f́": the pool has "api-1", "api-2"
    {"type": 12345678901234567890123456789012345678901} => 12 type must be a string, such as "http_request", not 1234567890123456789012345678901234567890…
    {"type": "drain", "backend": "api-1"} {"type": "http_request"} => 11 every backend is draining: resume one of "api-1", "api-2"
    {"type": "init", "backends": []} {"type": "http_request"} => 11 the pool is empty: add a backend, or name backends in an init or on the command line
    {"type": "init", "backends": ["a", "b", "c", "d", "e", "f", "g"]} {"type": "drain", "backend": "z"} => 20 unknown backend "z": the pool has "a", "b", "c", "d", "e" and 2 more
    {"dest": "n", "body": {"type": "stats"}} => 12 missing "src": a string
    {"src": 5, "dest": "n", "body": {"type": "stats"}} => 12 src must be a string, not 5
    {"src": "c", "dest": [], "body": {"type": "stats"}} => 12 dest must be a string, not []
    {"src": "c", "dest": "n"} => 12 missing "body": an object with a "type"
    {"src": "c", "dest": "n", "body": 5} => 12 body must be an object with a "type", not 5
"#;

#[test]
fn of_refused_messages_name_the_field_or_the_backend() {
    let draining = r#"{"type": "drain", "backend": "api-2"}"#;
    for case in REFUSED.trim().lines().map(str::trim) {
        let (messages, refusal) = case.split_once(" => ").expect("messages => an error");
        let (code, text) = refusal.split_once(' ').expect("a code and a text");
        let replies = run(TWO, bytes_of(&format!("{draining} {messages}"))).replies;
        let error = format!("\"code\": {code}, \"text\": {}", Value::from(text));
        let last = replies.trim_end().trim_end_matches('}');
        assert!(last.ends_with(&error), "{replies}\n{error}");
    }
}

/// Input that cannot be read, each case as line 2. The signs of the input are those of [`bytes_of`]. In a text, … is for what
/// `serde_json` says.
const UNREADABLE: &str = r#"
    hello => line 2: not a JSON object, which starts with {: `hello`
    "a  b"⇥'\␇ => line 2: not a JSON object, which starts with {: `"a b" '\\u{7}`
    ␣{"type": "stats"} => line 2: not a JSON object, which starts with {: `\u{a0}{"type": "stats"}`
    {"type": "stats"} and so on => line 2: not a JSON object, which starts with {: `and so on`
    [{"type": "stats"},{"type": "stats", "x": 1}] => line 2: not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[{"type": "stats"},{"type": "stats", "x"…`
    {"msg_id": 1, msg_id: 2} => line 2, column 15: expected a key in double quotes: `msg_id: 2}`
    {'a': 1} => line 2, column 2: expected a key in double quotes: `'a': 1}`
    {"a": 1, } => line 2, column 10: trailing comma: `}`
    {"a": {"b": 1,⏎} } => line 3, column 1: trailing comma: `} }`
    {"a": True} => line 2, column 7: …: `True}`
    {"é": nul} => line 2, column 11: …: `}`
      {"a" 1} => line 2, column 8: …: `1}`
    {"a": [⏎1⇥  2⏎]} => line 3, column 5: …: `2`
    {"a":⏎ b, "c": 12345678901234567890123456789012345678901234567890⏎} => line 3, column 2: …: `b, "c": 12345678901234567890123456789012…`
    {"a": "⇥b"} => line 2, column 7: …control…: `b"}`
    {"a": "b => line 2: missing closing quote
    {⏎ "a": "b,⏎ "c": 1⏎} => line 3: missing closing quote
    {"msg_id⏎ => line 2: missing closing quote
    {"a": "\u"} => line 2: invalid escape…
    {"a": "\u12é4"} => line 2, column 13: …escape: `é4"}`
    {"a": tru => line 2: …
    {"a": [⏎tru⏎]} => line 3: …
    {"\ud800": 1} => line 2, column 9: …: `": 1}`
    {"src": "c",⏎{} => line 2: unfinished message: `{"src": "c",`
    {} §⏎⏎{"a": [1⏎⏎,2⏎{} => line 4: unfinished message: `{"a": [1 ,2`
    {"a": [1⏎⏎ => line 2: unfinished message: `{"a": [1`
    ⏎[⏎"a¤ => line 4: not UTF-8
"#;

#[test]
fn of_unreadable_input_name_the_line_and_the_reason() {
    for case in UNREADABLE.trim_matches('\n').lines() {
        let (input, text) = case.split_once(" => ").expect("input => a text");
        let input = input.strip_prefix("    ").expect("it is indented");
        let text = Value::from(text);
        let expected = format!(r#"{{"type": "error", "code": 12, "text": {text}}}"#);
        for line_break in ["⏎", "↵⏎"] {
            let input = format!("{{}}⏎{input}⏎").replace('⏎', line_break);
            let replies = run(&[], bytes_of(&input)).replies;
            let found = replies.lines().any(|line| is_like(line, &expected));
            assert!(found, "{input}{replies}{expected}");
        }
    }
}

#[test]
fn of_lines_that_are_no_text_say_why() {
    let long = "x".repeat((16 << 20) + 10);
    let lines = "[".to_owned() + &(" ".repeat(1 << 20) + "\n").repeat(17);
    for (line, why) in [
        (&b"\"caf\xe9\""[..], "not UTF-8"),
        (long.as_bytes(), "longer than 16 MiB"),
        (lines.as_bytes(), "longer than 16 MiB"),
    ] {
        let reply = format!(r#"{{"type": "error", "code": 12, "text": "line 2: {why}"}}"#);
        assert_replies(&[], [b"\n", line, b"\n"].concat(), &(reply + "\n"));
    }
}

#[test]
fn are_short_and_plain_whatever_the_input_is() {
    const MESSAGES: &str = r#"
        {"type": "init", "backends": ["LONG1", "LONG2", "LONG3", "LONG4", "LONG5", "LONG6"]}
        {"type": "http_request", "active_connections": {"LONG7": 1}} {"type": "http_request", "active_connections": {"LONG1": "LONG"}}
        {"type": "http_request", "algorithm": "LONG"} {"type": "request_complete", "backend": "LONG1"} {"type": "LONG"}
        {"type": "init", "backends": ["LONG", "LONG"]} {"type": "stats", "msg_id": "LONG"}
        {"type": "drain", "backend": "LONG1"} {"type": "drain", "backend": "LONG2"} {"type": "drain", "backend": "LONG3"}
        {"type": "drain", "backend": "LONG4"} {"type": "drain", "backend": "LONG5"} {"type": "drain", "backend": "LONG6"}
        {"type": "http_request"} {"type": "add", "backend": "LONG1"} ["LONG"]
        {"a": x LONG}
        {"a":    [LONG]}
        LONG
        {"a": "LONG
    "#;
    let escapes = r#"\u0001 \" é \ud83d\ude00 \u007f \u2028 \u0085 \n \udb80\udc00"#.split(' ');
    for filler in escapes.chain(["\u{1}", "\u{2028}", "\u{85}", "\u{10ffff}", " \t"]) {
        let replies = run(&[], MESSAGES.replace("LONG", &filler.repeat(100))).replies;
        let replies = replies.lines().filter(|reply| !reply.contains("_ok"));
        let mut texts = 0;
        for reply in replies {
            let reply: Value = serde_json::from_str(reply).expect("it is JSON");
            let text = reply["text"].as_str().unwrap_or_default();
            let is_plain = |c: char| !c.is_control() && !"\u{2028}\u{2029}".contains(c);
            let is_short = text.chars().count() <= 400;
            assert!(is_short && text.chars().all(is_plain), "{text:?}");
            texts += 1;
        }
        assert!(texts >= 8, "only {texts}");
    }
}
