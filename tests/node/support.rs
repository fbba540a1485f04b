//! Running the program, and comparing what it says.

use std::fmt::Debug;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;

/// The built binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_least-connections");

/// All that one run of the program said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub replies: String,
    pub remarks: String,
    pub status: Option<i32>,
}

/// The program, with its three streams open to the test.
pub fn start(arguments: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The program, with replies and remarks on one stream, in the order in which they are written.
pub fn start_on_one_stream() -> Child {
    Command::new("sh")
        .args(["-c", "exec \"$0\" 2>&1", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell")
}

/// Runs the program on an input, to its end.
pub fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Said {
    run_in_pieces(arguments, &[input.as_ref()])
}

/// Runs the program on an input that arrives piece by piece.
pub fn run_in_pieces(arguments: &[&str], pieces: &[&[u8]]) -> Said {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            for piece in pieces {
                // The program may end before it has read everything.
                if stdin.write_all(piece).is_err() {
                    break;
                }
            }
        });
        child.wait_with_output().expect("the program ends")
    });
    Said {
        replies: String::from_utf8(output.stdout).expect("replies are UTF-8"),
        remarks: String::from_utf8(output.stderr).expect("remarks are UTF-8"),
        status: output.status.code(),
    }
}

/// The program answers `input` with just these replies, and nothing is worth a remark.
#[track_caller]
pub fn converse(arguments: &[&str], input: impl AsRef<[u8]> + Debug, replies: &str) {
    remark(arguments, input, replies, "");
}

/// The program answers `input` with just these replies, and has just these remarks.
#[track_caller]
pub fn remark(arguments: &[&str], input: impl AsRef<[u8]>, replies: &str, remarks: &str) {
    let said = run(arguments, input);
    assert_lines(&without_times(&said.replies), replies, "replies");
    assert_lines(&said.remarks, remarks, "remarks");
    assert_eq!(said.status, Some(0), "exit status");
}

/// Compares line by line, and shows the first difference by itself.
#[track_caller]
pub fn assert_lines(said: &str, expected: &str, what: &str) {
    let mut said_lines = said.lines();
    for (index, expected) in expected.lines().enumerate() {
        assert_eq!(
            said_lines.next(),
            Some(expected),
            "line {} of the {what}",
            index + 1
        );
    }
    assert_eq!(said_lines.next(), None, "after the last of the {what}");
    assert!(
        said.is_empty() || said.ends_with('\n'),
        "the {what} end with a line break"
    );
}

/// The text with the one thing that depends on the clock, `last_used`, set to 1 where it is not null.
pub fn without_times(text: &str) -> String {
    let mut parts = text.split("\"last_used\": ");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        masked.push_str("\"last_used\": ");
        masked.push_str(if rest.len() < part.len() { "1" } else { "" });
        masked.push_str(rest);
    }
    masked
}

/// Random numbers that are the same for the same seed on every machine (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The shortest list that still fails, as far as leaving things out of a failing one leads there.
pub fn shortest<T: Clone>(failing: &[T], fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut shortest = failing.to_vec();
    let mut step = shortest.len() / 2;
    while step > 0 {
        let mut from = 0;
        while from < shortest.len() {
            let mut shorter = shortest.clone();
            shorter.drain(from..shorter.len().min(from + step));
            if fails(&shorter) {
                shortest = shorter;
            } else {
                from += step;
            }
        }
        step /= 2;
    }
    shortest
}
