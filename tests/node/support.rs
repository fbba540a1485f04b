//! Running the program, and comparing what it writes.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread;

/// The built binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_least-connections");

/// The backends of most conversations.
pub const TWO: &[&str] = &["api-1", "api-2"];

/// All that one run of the program writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub replies: String,
    pub warnings: String,
    pub status: Option<i32>,
}

/// Starts the program with its three streams open to the test.
pub fn start(arguments: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Starts the program with replies and warnings on one stream, in the order in which they are written.
pub fn start_on_one_stream() -> Child {
    Command::new("sh")
        .args(["-c", "exec \"$0\" 2>&1", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell")
}

/// Runs the program on an input, to its end.
pub fn run(arguments: &[&str], input: impl AsRef<[u8]> + Send) -> Output {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // The program may end before it has read everything.
            let _ = stdin.write_all(input.as_ref());
        });
        child.wait_with_output().expect("the program ends")
    });
    Output {
        replies: String::from_utf8(output.stdout).expect("replies are UTF-8"),
        warnings: String::from_utf8(output.stderr).expect("warnings are UTF-8"),
        status: output.status.code(),
    }
}

/// Runs the program on the lines that begin with `>`. It must write the replies that begin with `<` and the warnings
/// that begin with `!`, and no others.
///
/// ```text
/// > {"type": "stats", "msg_id": 1}
/// < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
/// > hello
/// ! line 2: not a JSON object, which starts with { (skipping to the next one): `hello`
/// ```
#[track_caller]
pub fn assert_transcript(arguments: &[&str], transcript: &str) {
    let marked = |mark: char| -> String {
        let lines = transcript.lines().map(str::trim_start);
        let lines = lines.filter_map(|line| line.strip_prefix(mark));
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n")
            .collect()
    };
    assert_output(arguments, marked('>'), &marked('<'), &marked('!'));
}

/// Asserts that the program answers `input` with just these replies, and without a warning.
#[track_caller]
pub fn assert_replies(arguments: &[&str], input: impl AsRef<[u8]> + Send, replies: &str) {
    assert_output(arguments, input, replies, "");
}

/// Asserts that the program answers `input` with just these replies and these warnings, each without its beginning
/// `least-connections: `.
#[track_caller]
pub fn assert_output(
    arguments: &[&str],
    input: impl AsRef<[u8]> + Send,
    replies: &str,
    warnings: &str,
) {
    let output = run(arguments, input);
    assert_lines(&without_times(&output.replies), replies, "replies");
    assert_lines(&output.warnings, &with_prefix(warnings), "warnings");
    assert_eq!(output.status, Some(0), "exit status");
}

/// Lines for standard error, each with the program's name before it.
pub fn with_prefix(lines: &str) -> String {
    let lines = lines.lines();
    lines
        .map(|line| ["least-connections: ", line, "\n"].concat())
        .collect()
}

/// Compares line by line, and shows the first difference by itself.
#[track_caller]
pub fn assert_lines(written: &str, expected: &str, what: &str) {
    let mut lines = written.lines();
    for (number, expected) in (1..).zip(expected.lines()) {
        assert_eq!(lines.next(), Some(expected), "line {number} of the {what}");
    }
    assert_eq!(lines.next(), None, "after the last of the {what}");
    let whole = written.is_empty() || written.ends_with('\n');
    assert!(whole, "the {what} end with a line break");
}

/// The replies with `last_used`, the one field that depends on the clock, set to 1 if it is not null.
pub fn without_times(replies: &str) -> String {
    let mut parts = replies.split("\"last_used\": ");
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

/// Shortens a failing list: drops entries while the rest still fails.
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
