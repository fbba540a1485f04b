//! When replies are written: always before the program waits for input.

use std::io::{self, Write};

use least_connections::Node;

use crate::support::{Live, STATS, STATS_OK, serve};

#[test]
fn a_reply_is_written_when_half_of_the_next_message_has_come() {
    let stats_ok = |id| STATS_OK.replace("ok\",", &format!("ok\", \"in_reply_to\": {id},"));
    let mut live = Live::start(&[]);
    live.send([STATS, "\n{\"type\": \"stats\", \"msg"].concat());
    assert_eq!(live.reply(), STATS_OK);
    live.send("_id\": 2}\n{\"type\":\n");
    assert_eq!(live.reply(), stats_ok(2));
    live.send("\"stats\",\n\"msg_id\": 3} {\"type\": \"stats\"}\n{\n");
    assert_eq!(live.reply(), stats_ok(3));
    assert_eq!(live.reply(), STATS_OK);
    live.send("\"type\": \"stats\"");
    live.send("}");
    // The end of the input ends the last line, too.
    drop(live.child.stdin.take());
    assert_eq!(live.reply(), STATS_OK);
    live.assert_ends();
}

/// Lines that get an error, and most of them of a kind of their own. (⇥ is for 20 MB of text.)
const WRONG: &str = r#"hello
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
{"src": "c", "body": {"type": "stats"}}
{"src": "a", "dest": "b", "body": {}}
{"type": "\udead"}
{"type": "http_request"}"#;

#[test]
fn whoever_sends_a_line_that_is_wrong_gets_an_answer() {
    let wrong = WRONG.replace('⇥', &"text".repeat(5 << 20));
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
    const RIGHT: &str = r#"{"type": "echo", "echo": {"type": "stats"}}
{"src": "a", "dest": "b", "body": {"type": "stats"}}
{"src": "a", "dest": "b", "body": {"type": "http_request", "active_connections": {"a": 1}}}"#;
    for first in RIGHT.lines().chain(WRONG.lines()) {
        let reply = serve(&[], io::Cursor::new(first));
        assert!(!reply.is_empty(), "{first} has a reply");
        let next = serve(&[], io::Cursor::new(reply));
        assert_eq!(next, "", "{first} has one reply");
    }
}

#[test]
fn replies_to_much_input_are_written_in_large_pieces() {
    /// The sizes of what is written. A 0 is for a flush.
    struct Pieces(Vec<usize>);
    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.push(0);
            Ok(())
        }
    }
    // Also if all of the messages are on one line.
    for end in ["\n", " "] {
        let input = format!("{STATS}{end}").repeat(100_000);
        let mut pieces = Pieces(Vec::new());
        let mut node = Node::new(Vec::new()).expect("no name repeats");
        least_connections::serve(&mut node, input.as_bytes(), &mut pieces).expect("it cannot fail");
        let Pieces(sizes) = pieces;
        let written = sizes.iter().filter(|size| **size > 0).count();
        let is_small = sizes.iter().all(|size| *size < 1 << 20);
        assert!(written < 100 && is_small, "{sizes:?}");
        assert_eq!(sizes.last(), Some(&0), "all are flushed");
    }
}
