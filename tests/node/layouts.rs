//! Messages in many layouts: JSON that is right is never cut, and of JSON with a mistake, nothing inside is done.

use serde_json::Value;

use crate::support::{Random, assert_replies, bytes_of, run};

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

#[test]
fn json_with_any_white_space_is_never_cut() {
    let spaces: Vec<_> = "|| |⏎|↵⏎|⏎⇥|⏎ | ⏎⏎  |⏎⌘".split('|').collect();
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
                    input += *random.pick(&spaces);
                }
            }
            replies += &[reply, "\n"].concat();
        }
        assert_replies(POOL, bytes_of(&input), &replies);
    }
}

/// Replaces each character in turn, unless it or what replaces it may end the message early.
#[test]
fn nothing_inside_a_mistake_is_done() {
    const AFTER: &str = "\n{\"type\":\"echo\",\"echo\":\"after\"}\n";
    let mut mistakes = 0;
    for indent in [" ", "   ", "\t"] {
        for (message, _) in messages() {
            let value: Value = serde_json::from_str(message).expect("it is right");
            let mut message = format!("{value:#}").replace("  ", indent);
            if indent == "\t" {
                // Opening brackets on lines of their own.
                message = message.replace(": {", ":\n\t{").replace(": [", ":\n\t[");
            }
            let (mut input, mut echoes) = (String::new(), 0);
            let others = message.char_indices();
            for (at, old) in others.filter(|(_, old)| !"{}[]\"\\".contains(*old)) {
                let (before, after) = (&message[..at], &message[at + old.len_utf8()..]);
                for new in ["x", ";", "'", "\u{7}", "", ",", ":", "\n", "é"] {
                    input += &[before, new, after, AFTER].concat();
                    echoes += 1;
                }
            }
            let replies = run(POOL, &input).replies;
            let is_done = replies.contains(r#""backend": "a", "active_connections""#);
            assert!(!is_done, "something in this is done:\n{message}");
            let found = replies.matches(r#""echo": "after""#).count();
            assert_eq!(found, echoes, "messages after\n{message}");
            mistakes += echoes;
        }
    }
    assert!(mistakes > 10_000, "only {mistakes}");
}
