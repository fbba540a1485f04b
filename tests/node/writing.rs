//! When replies are written: before the program waits for input, and before each warning.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use least_connections::{Node, serve};

use crate::support::{start, start_on_one_stream, with_prefix};

/// A running program that is sent input piece by piece.
struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
    warnings: Receiver<String>,
}

/// Receives the lines of a stream as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.send(line))
    });
    lines
}

/// The next line. The time limit makes the test fail, and not hang, if there is none.
#[track_caller]
fn assert_next(lines: &Receiver<String>, expected: &str) {
    let line = lines.recv_timeout(Duration::from_secs(60));
    assert_eq!(line.as_deref(), Ok(expected.trim_end()));
}

impl Live {
    fn start() -> Self {
        let mut child = start(&[]);
        Self {
            stdin: child.stdin.take(),
            replies: lines(child.stdout.take().expect("it is piped")),
            warnings: lines(child.stderr.take().expect("it is piped")),
            child,
        }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(bytes.as_ref()).expect("the program reads");
    }

    #[track_caller]
    fn assert_reply(&self, reply: &str) {
        assert_next(&self.replies, reply);
    }

    fn end_input(&mut self) {
        drop(self.stdin.take());
    }

    /// Ends the input. There are no further replies.
    #[track_caller]
    fn assert_ends(mut self) {
        self.end_input();
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        assert_eq!(self.replies.recv().ok(), None, "one reply too many");
    }
}

const STATS: &str = r#"{"type": "stats"}"#;
const STATS_OK: &str = r#"{"type": "stats_ok", "backends": {}}"#;

#[test]
fn a_reply_is_written_when_half_of_the_next_message_has_come() {
    let mut live = Live::start();
    live.send("{\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg");
    live.assert_reply(STATS_OK);
    live.send("_id\": 2}\n{\"type\":\n");
    live.assert_reply(r#"{"type": "stats_ok", "in_reply_to": 2, "backends": {}}"#);
    live.send("\"stats\",\n\"msg_id\": 3} {\"type\": \"stats\"}\n{\n");
    live.assert_reply(r#"{"type": "stats_ok", "in_reply_to": 3, "backends": {}}"#);
    live.assert_reply(STATS_OK);
    live.send("\"type\": \"stats\"");
    live.send("}");
    // The end of the input ends the last line, too.
    live.end_input();
    live.assert_reply(STATS_OK);
    live.assert_ends();
}

#[test]
fn replies_to_much_input_are_written_in_large_pieces() {
    struct Pieces(usize);
    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let input = format!("{STATS}\n").repeat(100_000);
    let mut pieces = Pieces(0);
    let mut node = Node::new(Vec::new()).expect("no name repeats");
    serve(&mut node, input.as_bytes(), &mut pieces, |_| {}).expect("it cannot fail");
    assert!(pieces.0 < 100, "{} pieces", pieces.0);
}

#[test]
fn a_warning_is_written_as_soon_as_it_is_certain() {
    let mut live = Live::start();
    live.send("{\"a\": x\n");
    let warning = "line 1, column 7: expected value: `x`";
    assert_next(&live.warnings, &with_prefix(warning));
    live.send("{\"a\":\n\"b\n");
    assert_next(
        &live.warnings,
        &with_prefix("line 3: missing closing quote"),
    );
    live.send("{\"type\": \"init\"}\n{\"a\": \"");
    live.assert_reply(r#"{"type": "init_ok"}"#);
    live.send(vec![b'x'; 17 << 20]);
    assert_next(&live.warnings, &with_prefix("line 5: longer than 16 MiB"));
    live.send(format!("\n{STATS}\n"));
    live.assert_reply(STATS_OK);
    live.assert_ends();
}

#[test]
fn replies_and_warnings_on_one_stream_are_in_order() {
    let mut child = start_on_one_stream();
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = format!("{STATS}\ngarbage\n{STATS} {{x}}\n{STATS}\n");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let expected = format!(
        "{STATS_OK}
least-connections: line 2: not a JSON object, which starts with {{ (skipping to the next one): `garbage`
{STATS_OK}
least-connections: line 3, column 3: expected a key in double quotes: `x}}`
{STATS_OK}
"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}
