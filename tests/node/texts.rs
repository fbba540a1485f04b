//! The texts of errors, each of them once. Other tests look for a code and a word.

use serde_json::Value;

use crate::support::{TWO, assert_replies, is_like, run};

/// A pool of two refuses the last of these messages. Of the two, api-1 has none active and api-2 is draining.
const REFUSED: &str = r#"
    {"type": "sing"} => 10 unknown message type "sing": the known ones are init, http_request, request_complete, drain, resume, stats and echo
    {"type": "init", "algorithm": "random"} => 10 unknown algorithm "random": the only one is "least-connections"
    {"type": "drain"} => 12 missing "backend": a string, the name of a backend
    {"type": "echo"} => 12 missing "echo": any JSON value
    {"msg_id": null} => 12 missing "type": a string, such as "http_request"
    {"type": 5} => 12 type must be a string, such as "http_request", not 5
    {"type": "stats", "backends": "api-1"} => 12 backends must be a list of strings, not "api-1"
    {"type": "stats", "algorithm": 1} => 12 algorithm must be a string, not 1
    {"type": "stats", "node_id": ["n"]} => 12 node_id must be a string, not ["n"]
    {"type": "stats", "node_ids": [1,	2]} => 12 node_ids must be a list of strings, not [1, 2]
    {"type": "stats", "backend": {}} => 12 backend must be a string, the name of a backend, not {}
    {"type": "stats", "active_connections": [1,2]} => 12 active_connections must be an object of backend names and integers, not [1,2]
    {"type": "stats", "active_connections": {"a": "five"}} => 12 active_connections of "a" must be an integer from 0 to 9007199254740991, not "five"
    {"type": "stats", "msg_id": -1} => 12 msg_id must be an integer from 0 to 18446744073709551615, not -1
    {"type": "stats", "type": "stats"} => 12 duplicate field `type`
    {"type": "stats", "msg_id": 1.0, "msg_id": null} => 12 duplicate field `msg_id`
    {"type": "init", "backends": ["b", "a", "b"]} => 12 "b" is listed twice in backends
    {"type": "init", "node_ids": ["a", "a"]} => 12 "a" is listed twice in node_ids
    {"type": "drain", "backend": "z"} => 20 unknown backend "z": the pool has "api-1", "api-2"
    {"type": "init", "backends": [], "active_connections": {"z": 0}} => 20 unknown backend "z": the pool is empty
    {"type": "request_complete", "backend": "api-1"} => 22 backend "api-1" has no active connection to complete
    {"type": "drain", "backend": "1234567890123456789012345678901234567890"} => 20 unknown backend "1234567890123456789012345678901234567890": the pool has "api-1", "api-2"
    {"type": "drain", "backend": "ééééééééééééééééééééééééééééééééééééééééé"} => 20 unknown backend "éééééééééééééééééééééééééééééééééééééééé…": the pool has "api-1", "api-2"
    {"type": "drain", "backend": " a  \"'\\\n\u0000\u00a0\u200b\ufefff\u0301"} => 20 unknown backend " a  "'\\n\0\u{a0}\u{200b}\u{feff}f́": the pool has "api-1", "api-2"
    {"type": 12345678901234567890123456789012345678901} => 12 type must be a string, such as "http_request", not 1234567890123456789012345678901234567890…
    {"type": "drain", "backend": "api-1"} {"type": "http_request"} => 11 every backend is draining: resume one of "api-1", "api-2"
    {"type": "init", "backends": []} {"type": "http_request"} => 11 the pool is empty: name backends in active_connections, in an init, or on the command line
    {"type": "init", "backends": ["a", "b", "c", "d", "e", "f", "g"]} {"type": "drain", "backend": "z"} => 20 unknown backend "z": the pool has "a", "b", "c", "d", "e" and 2 more
    {"src": 5, "dest": "n"} => 12 neither an envelope (its "src" and "dest" are strings) nor a body (it has a "type")
    {"dest": "n"} => 12 neither an envelope (its "src" and "dest" are strings) nor a body (it has a "type")
    {"body": {"type": "stats"}} => 12 neither an envelope (its "src" and "dest" are strings) nor a body (it has a "type")
    {"src": "c", "dest": "n"} => 12 missing "body": an object with a "type"
    {"src": "c", "dest": "n", "body": 5} => 12 body must be an object with a "type", not 5
    {"src": 5, "src": "c", "dest": "n", "body": {"type": "stats"}} => 12 duplicate field `src`
"#;

#[test]
fn of_refused_messages_name_the_field_or_the_backend() {
    let draining = r#"{"type": "drain", "backend": "api-2"}"#;
    for case in REFUSED.trim().lines() {
        let (messages, refusal) = case
            .trim()
            .split_once(" => ")
            .expect("messages => an error");
        let (code, text) = refusal.split_once(' ').expect("a code and a text");
        let replies = run(TWO, format!("{draining} {messages}")).replies;
        let (code, text) = (code, Value::from(text));
        let error = format!("\"code\": {code}, \"text\": {text}}}");
        let last = replies
            .trim_end()
            .trim_end_matches("}}")
            .trim_end_matches('}');
        assert!(
            last.ends_with(error.trim_end_matches('}')),
            "{replies}\n{error}"
        );
    }
}

/// Input that cannot be read, each case as line 2. In the input, ⏎ is a line break, ^ a tab, and ␣ a no-break space. In a
/// text, … is for what `serde_json` says.
const UNREADABLE: &str = r#"
    hello => : not a JSON object, which starts with {: `hello`
    "a  b"^'\␇ => : not a JSON object, which starts with {: `"a b" '\\u{7}`
    ␣{"type": "stats"} => : not a JSON object, which starts with {: `\u{a0}{"type": "stats"}`
    {"type": "stats"} and so on => : not a JSON object, which starts with {: `and so on`
    [{"type": "stats"},{"type": "stats", "x": 1}] => : not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[{"type": "stats"},{"type": "stats", "x"…`
    {"msg_id": 1, msg_id: 2} => , column 15: expected a key in double quotes: `msg_id: 2}`
    {'a': 1} => , column 2: expected a key in double quotes: `'a': 1}`
    {"a": True} => , column 7: …: `True}`
    {"é": nul} => , column 11: …: `}`
      {"a" 1} => , column 8: …: `1}`
    {"a": [⏎1^  2⏎]} => 3, column 5: …: `2`
    {"a":⏎ b, "c": 12345678901234567890123456789012345678901234567890⏎} => 3, column 2: …: `b, "c": 12345678901234567890123456789012…`
    {"a": "^b"} => , column 7: …control…: `b"}`
    {"a": "b => : missing closing quote
    {⏎ "a": "b,⏎ "c": 1⏎} => 3: missing closing quote
    {"a": "\u"} => : …escape
    {"a": "\u12é4"} => , column 13: …escape: `é4"}`
    {"a": tru => : …
    {"a": [⏎tru⏎]} => 3: …
    {"\ud800": 1} => : …: `{"\ud800": 1}`
    {"src": "c",⏎{} => : unfinished message: `{"src": "c",`
    {"a": [1⏎⏎ => : unfinished message: `{"a": [1`
"#;

#[test]
fn of_unreadable_input_name_the_line_and_the_reason() {
    for case in UNREADABLE.trim_matches('\n').lines() {
        let (input, text) = case.split_once(" => ").expect("input => a text");
        let input = input.strip_prefix("    ").expect("it is indented");
        let input = input
            .replace('⏎', "\n")
            .replace('^', "\t")
            .replace('␣', "\u{a0}")
            .replace('␇', "\u{7}");
        // A text that does not begin with its line is of line 2.
        let line = ["line 2", "line "][usize::from(text.starts_with('3'))];
        let text = Value::from(format!("{line}{text}"));
        let expected = format!("{{\"type\": \"error\", \"code\": 12, \"text\": {text}}}");
        for line_break in ["\n", "\r\n"] {
            let input = format!("{{}}\n{input}\n").replace('\n', line_break);
            let replies = run(&[], &input).replies;
            let found = replies.lines().any(|line| is_like(line, &expected));
            assert!(found, "{input}{replies}{expected}");
        }
    }
}

#[test]
fn of_lines_that_are_no_text_say_why() {
    let long = "x".repeat((16 << 20) + 10);
    for (line, why) in [
        (&b"\"caf\xe9\""[..], "not UTF-8"),
        (long.as_bytes(), "longer than 16 MiB"),
    ] {
        let reply = format!("{{\"type\": \"error\", \"code\": 12, \"text\": \"line 2: {why}\"}}\n");
        assert_replies(&[], [b"\n", line, b"\n"].concat(), &reply);
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
        {"type": "http_request"} ["LONG"] {"a": x LONG} {"a":    [LONG]}
        LONG
        {"a": "LONG
    "#;
    let escapes = r#"\u0001 \" é \ud83d\ude00 \u007f \u2028 \u0085 \n \udb80\udc00"#.split(' ');
    for filler in escapes.chain(["\u{1}", "\u{2028}", "\u{85}", "\u{10ffff}", " \t"]) {
        let replies = run(&[], MESSAGES.replace("LONG", &filler.repeat(100))).replies;
        let replies = replies.lines().filter(|reply| !reply.contains("_ok"));
        let texts = replies.map(|reply| {
            let reply: Value = serde_json::from_str(reply).expect("it is JSON");
            reply["text"].as_str().unwrap_or_default().to_owned()
        });
        let texts: Vec<_> = texts.collect();
        assert!(texts.len() >= 8, "{texts:?}");
        for text in texts {
            let is_plain = |c: char| !c.is_control() && !"\u{2028}\u{2029}".contains(c);
            assert!(text.chars().all(is_plain), "{text:?}");
            assert!(text.chars().count() <= 400, "{text:?}");
        }
    }
}
