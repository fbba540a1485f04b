//! When replies are written out: before the program waits, and before it remarks on something.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::{start, start_on_one_stream};

/// A running program, spoken to piece by piece.
struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Live {
    fn start(arguments: &[&str]) -> Self {
        let mut child = start(arguments);
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, replies) = channel();
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            stdin: child.stdin.take(),
            child,
            replies,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(bytes).expect("the program reads");
    }

    /// The next reply. The time limit is there for the test to fail, and not to hang, where there is none.
    #[track_caller]
    fn hears(&self, reply: &str) {
        let heard = self.replies.recv_timeout(Duration::from_secs(20));
        assert_eq!(heard.as_deref(), Ok(reply));
    }

    #[track_caller]
    fn ends(mut self) {
        drop(self.stdin.take());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        assert_eq!(
            self.replies.recv().ok(),
            None,
            "a reply that nobody waited for"
        );
    }
}

const STATS: &str = r#"{"type": "stats_ok", "backends": {}}"#;

#[test]
fn a_reply_is_out_before_the_next_message_is_there() {
    let mut live = Live::start(&[]);
    for msg_id in 0..1000 {
        live.send(format!("{{\"type\": \"stats\", \"msg_id\": {msg_id}}}\n").as_bytes());
        live.hears(&format!(
            r#"{{"type": "stats_ok", "in_reply_to": {msg_id}, "backends": {{}}}}"#
        ));
    }
    live.ends();
}

#[test]
fn a_reply_is_out_when_half_of_the_next_message_has_arrived() {
    let mut live = Live::start(&[]);
    live.send(b"{\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg");
    live.hears(STATS);
    live.send(b"_id\": 2}\n{\"type\":\n");
    live.hears(r#"{"type": "stats_ok", "in_reply_to": 2, "backends": {}}"#);
    live.send(b"\"stats\",\n\"msg_id\": 3} {\"type\": \"stats\"}\n{\n");
    live.hears(r#"{"type": "stats_ok", "in_reply_to": 3, "backends": {}}"#);
    live.hears(STATS);
    live.send(b"\"type\": \"stats\"");
    live.send(b"}");
    live.ends_with_one_more(STATS);
}

impl Live {
    /// The end of the input is the end of the last line, too.
    #[track_caller]
    fn ends_with_one_more(mut self, reply: &str) {
        drop(self.stdin.take());
        self.hears(reply);
        self.ends();
    }
}

#[test]
fn a_reply_is_out_when_a_line_that_is_skipped_has_no_end_yet() {
    let mut live = Live::start(&[]);
    live.send(b"{\"type\": \"stats\"}\n");
    live.send(&vec![b'x'; 20 << 20]);
    live.hears(STATS);
    live.send(&vec![b'x'; 20 << 20]);
    live.send(b"\n{\"type\": \"stats\"}\n");
    live.hears(STATS);
    live.ends();
}

#[test]
fn a_message_that_is_too_long_is_remarked_on_while_its_line_has_no_end_yet() {
    let mut live = Live::start(&[]);
    let (sender, remarks) = channel();
    let stderr = BufReader::new(live.child.stderr.take().expect("it is piped"));
    thread::spawn(move || {
        stderr
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    live.send(b"{\"a\": \"");
    live.send(&vec![b'x'; 17 << 20]);
    let remark = remarks.recv_timeout(Duration::from_secs(20));
    assert!(remark.is_ok_and(|remark| remark.contains("line 1: cannot read `{\"a\": \"xxx")));
    live.send(b"\n{\"type\": \"stats\"}\n");
    live.hears(STATS);
    live.ends();
}

#[test]
fn replies_and_remarks_on_one_stream_stand_in_the_order_of_their_messages() {
    let input =
        "{\"type\": \"stats\"}\ngarbage\n{\"type\": \"stats\"}\n{}\n{\"type\": \"stats\"}\n";
    let mut child = start_on_one_stream();
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin
        .write_all(input.as_bytes())
        .expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "{STATS}
least-connections: line 2: cannot read `garbage`: a message is a JSON object, which begins with {{
{STATS}
least-connections: line 4: no answer to `{{}}`: it has neither src and dest, as an envelope does, nor a type, as a bare body does
{STATS}
"
        )
    );
}
