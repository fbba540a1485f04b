//! Messages in many layouts: JSON that is right is never cut, and of JSON with a mistake, nothing inside is done.

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::support::{Random, assert_replies, run};

const POOL: &[&str] = &["a", "b"];

/// Messages that hold others, each followed by its reply. A message inside drains a if it is taken for one.
const MESSAGES: &str = r#"
{"src":"c","dest":"n","body":{"type":"echo","msg_id":1,"echo":{"type":"drain","backend":"a"}}}
{"src": "n", "dest": "c", "body": {"type": "echo_ok", "in_reply_to": 1, "echo": …}}
{"type":"echo","msg_id":2,"echo":[{"type":"drain","backend":"a"},[{"type":"drain","backend":"a"}],{},[],"]}\" "]}
{"type": "echo_ok", "in_reply_to": 2, "echo": …}
{"src":"c","dest":"n","body":{"type":"drain","msg_id":3,"backend":"b","x":{"y":[[1.5,true,null],"é"]}}}
{"src": "n", "dest": "c", "body": {"type": "drain_ok", "in_reply_to": 3, "backend": "b", "active_connections": {"a": 0, "b": 0}}}
[{"src":"c","dest":"n","body":{"type":"drain","backend":"a"}},{"type":"drain","backend":"a"}]
{"type": "error", "code": 12, "text": "line …"}
"#;

fn messages() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut lines = MESSAGES.trim().lines();
    std::iter::from_fn(move || lines.next().zip(lines.next()))
}

/// Prints JSON as most printers do, or with an opening bracket after a key on a line of its own.
fn print(json: &str, indent: &str, own_lines: bool) -> String {
    let mut printed = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    let value: Value = serde_json::from_str(json).expect("it is right");
    let to = &mut Serializer::with_formatter(&mut printed, formatter);
    value.serialize(to).expect("it can be printed");
    let printed = String::from_utf8(printed).expect("it is UTF-8");
    let mut lines = String::new();
    for line in printed.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let line = match line
            .strip_suffix(['{', '['])
            .filter(|key| own_lines && key.ends_with(": "))
        {
            Some(key) => [key, "\n", indent, &line[key.len()..]].concat(),
            None => line.to_owned(),
        };
        lines += &(line + "\n");
    }
    lines
}

#[test]
fn json_that_is_right_is_never_cut() {
    let indents = ["", " ", "  ", "    ", "\t"];
    for (indent, own_lines) in indents
        .map(|indent| [(indent, false), (indent, true)])
        .concat()
    {
        let (mut input, mut replies) = (String::new(), String::new());
        for (message, reply) in messages() {
            input += &print(message, indent, own_lines);
            replies += &[reply, "\n"].concat();
        }
        assert_replies(POOL, &input, &replies);
        assert_replies(POOL, input.replace('\n', "\r\n"), &replies);
    }
}

#[test]
fn json_with_any_white_space_is_never_cut() {
    const SPACES: &[&str] = &[
        "",
        "",
        " ",
        "\n",
        "\r\n",
        "\n\t",
        "\n ",
        " \n\n  ",
        "\n\u{feff}",
    ];
    for seed in 0..2000 {
        let mut random = Random(seed);
        let (mut input, mut replies) = (String::new(), String::new());
        for (message, reply) in messages() {
            let (mut in_string, mut last) = (false, ' ');
            for character in message.chars() {
                input.push(character);
                in_string ^= character == '"' && last != '\\';
                last = character;
                if !in_string && "{}[]:,\"".contains(character) {
                    input += *random.pick(SPACES);
                }
            }
            replies += &[reply, "\n"].concat();
        }
        assert_replies(POOL, input, &replies);
    }
}

/// Replaces each character in turn, unless it or what replaces it may end the message early.
#[test]
fn nothing_inside_a_mistake_is_done() {
    const AFTER: &str = "\n{\"type\":\"echo\",\"echo\":\"after\"}\n";
    let mut mistakes = 0;
    for (indent, own_lines) in [(" ", false), ("   ", true), ("\t", false), ("\t", true)] {
        for (message, _) in messages() {
            let message = print(message, indent, own_lines);
            let (mut input, mut echoes) = (String::new(), 0);
            for (at, old) in message
                .char_indices()
                .filter(|(_, old)| !"{}[]\"\\".contains(*old))
            {
                let (before, after) = (&message[..at], &message[at + old.len_utf8()..]);
                for new in ["x", ";", "'", "\u{7}", "", ",", ":", "\n", "é"] {
                    input += &[before, new, after, AFTER].concat();
                    echoes += 1;
                }
            }
            let replies = run(POOL, &input).replies;
            let drained = r#""backend": "a", "active_connections""#;
            assert!(
                !replies.contains(drained),
                "something in this is done:\n{message}"
            );
            let found = replies.matches(r#""echo": "after""#).count();
            assert_eq!(found, echoes, "messages after\n{message}");
            mistakes += echoes;
        }
    }
    assert!(mistakes > 10_000, "only {mistakes}");
}
