//! When replies are written: always before the program waits for input.

use std::io::{self, Write};

use least_connections::{Node, serve};

use crate::support::Live;

const STATS: &str = r#"{"type": "stats"}"#;
const STATS_OK: &str = r#"{"type": "stats_ok", "backends": {}}"#;

#[test]
fn a_reply_is_written_when_half_of_the_next_message_has_come() {
    let stats_ok = |id| format!(r#"{{"type": "stats_ok", "in_reply_to": {id}, "backends": {{}}}}"#);
    let mut live = Live::start(&[]);
    live.send("{\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg");
    assert_eq!(live.reply(), STATS_OK);
    live.send("_id\": 2}\n{\"type\":\n");
    assert_eq!(live.reply(), stats_ok(2));
    live.send("\"stats\",\n\"msg_id\": 3} {\"type\": \"stats\"}\n{\n");
    assert_eq!(live.reply(), stats_ok(3));
    assert_eq!(live.reply(), STATS_OK);
    live.send("\"type\": \"stats\"");
    live.send("}");
    // The end of the input ends the last line, too.
    live.end_input();
    assert_eq!(live.reply(), STATS_OK);
    live.assert_ends();
}

/// Lines that get an error, and most of them of a kind of their own. (⇥ is for 20 MB of text.)
const WRONG: &str = r#"
hello
}
⇥
{x}
{'a': 1}
{"a": [1}
[1, {}]
{"a": "b
{"a": 1}}
{"a": tru
 { x
{}
{"type": "sing"}
{"type": "drain"}
{"src": "c", "dest": "n"}
{"src": "a", "dest": "b", "body": {}}
{"type": "\udead"}
{"type": "http_request"}"#;

#[test]
fn whoever_sends_a_line_that_is_wrong_gets_an_answer() {
    let wrong = WRONG.trim_start().replace('⇥', &"text".repeat(5 << 20));
    for line in wrong.lines().map(str::as_bytes).chain([&b"\xff"[..]]) {
        let mut live = Live::start(&[]);
        live.send([line, b"\n"].concat());
        let reply = live.reply();
        assert!(reply.contains(r#""type": "error", "code": 1"#), "{reply}");
        live.send(format!("{STATS}\n"));
        // A bracket too many is answered, too.
        while live.reply() != STATS_OK {}
        live.assert_ends();
    }
}

#[test]
fn two_nodes_that_answer_each_other_go_quiet() {
    const RIGHT: &str = r#"
{"type": "echo", "echo": {"type": "stats"}}
{"src": "a", "dest": "b", "body": {"type": "stats", "msg_id": 1}}
{"src": "a", "dest": "b", "body": {"type": "http_request", "active_connections": {"a": 1}}}"#;
    for first in [RIGHT, WRONG]
        .concat()
        .lines()
        .filter(|line| !line.is_empty())
    {
        let mut message = format!("{first}\n");
        let mut turns = 0;
        while !message.is_empty() {
            let mut node = Node::new(Vec::new()).expect("no name repeats");
            let mut replies = Vec::new();
            serve(&mut node, message.as_bytes(), &mut replies).expect("it cannot fail");
            message = String::from_utf8(replies).expect("replies are UTF-8");
            turns += 1;
            assert!(turns <= 2, "{first} is answered by {message}");
        }
        assert_eq!(turns, 2, "{first} has a reply");
    }
}

#[test]
fn replies_to_much_input_are_written_in_large_pieces() {
    #[derive(Default)]
    struct Pieces {
        flushed: usize,
        sizes: Vec<usize>,
    }
    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sizes.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.flushed = self.sizes.len();
            Ok(())
        }
    }
    // Also if all of the messages are on one line.
    for end in ["\n", " "] {
        let input = format!("{STATS}{end}").repeat(100_000);
        let mut pieces = Pieces::default();
        let mut node = Node::new(Vec::new()).expect("no name repeats");
        serve(&mut node, input.as_bytes(), &mut pieces).expect("it cannot fail");
        assert!(pieces.sizes.len() < 100, "{:?}", pieces.sizes);
        assert!(
            pieces.sizes.iter().all(|size| *size < 1 << 20),
            "{:?}",
            pieces.sizes
        );
        assert_eq!(pieces.flushed, pieces.sizes.len(), "all are flushed");
    }
}
