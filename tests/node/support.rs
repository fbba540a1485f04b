//! Running the program, and comparing what it writes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The built binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_least-connections");

/// The backends of most conversations.
pub const TWO: &[&str] = &["api-1", "api-2"];

/// All that one run of the program writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub replies: String,
    pub errors: String,
    pub status: Option<i32>,
}

/// The program with these arguments.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}

/// Starts a command with its three streams open to the test.
pub fn start(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Runs the program on an input, to its end.
pub fn run(arguments: &[&str], input: impl AsRef<[u8]> + Send) -> Output {
    run_command(&mut program(arguments), input)
}

pub fn run_command(command: &mut Command, input: impl AsRef<[u8]> + Send) -> Output {
    let mut child = start(command);
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
        errors: String::from_utf8(output.stderr).expect("errors are UTF-8"),
        status: output.status.code(),
    }
}

/// A running program that is sent input piece by piece.
pub struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Live {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = start(&mut program(arguments));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, replies) = channel();
        thread::spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            replies,
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(bytes.as_ref()).expect("the program reads");
    }

    /// The next reply. The time limit makes the test fail, and not hang, if there is none.
    #[track_caller]
    pub fn reply(&self) -> String {
        let reply = self.replies.recv_timeout(Duration::from_secs(60));
        reply.expect("there is a reply")
    }

    pub fn end_input(&mut self) {
        drop(self.stdin.take());
    }

    /// Ends the input. There are no further replies.
    #[track_caller]
    pub fn assert_ends(mut self) {
        self.end_input();
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        assert_eq!(self.replies.recv().ok(), None, "one reply too many");
    }
}

/// Runs the program on the lines that begin with `>`. It must write the lines that begin with `<`, and no others. There,
/// `…` is for anything.
///
/// ```text
/// > {"type": "stats", "msg_id": 1}
/// < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
/// > hello
/// < {"type": "error", "code": 12, "text": "line 2…"}
/// ```
#[track_caller]
pub fn assert_transcript(arguments: &[&str], transcript: &str) {
    let (mut input, mut replies) = (String::new(), String::new());
    for line in transcript
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty())
    {
        let (mark, line) = line.split_at(2);
        let side = match mark {
            "> " => &mut input,
            "< " => &mut replies,
            _ => panic!("a line begins with > or <, not with {mark}"),
        };
        side.extend([line, "\n"]);
    }
    assert_replies(arguments, input, &replies);
}

/// Asserts that the program answers `input` with just these lines, in which `…` is for anything.
#[track_caller]
pub fn assert_replies(arguments: &[&str], input: impl AsRef<[u8]> + Send, replies: &str) {
    let output = run(arguments, input);
    assert_lines(&without_times(&output.replies), replies, "replies");
    assert_eq!((output.errors.as_str(), output.status), ("", Some(0)));
}

/// A line for standard error, with the program's name before it.
pub fn with_prefix(line: &str) -> String {
    ["least-connections: ", line, "\n"].concat()
}

/// Compares line by line, and shows the first difference by itself.
#[track_caller]
pub fn assert_lines(written: &str, expected: &str, what: &str) {
    let mut lines = written.lines();
    for (number, expected) in (1..).zip(expected.lines()) {
        let line = lines.next().unwrap_or("nothing");
        let same = is_like(line, expected);
        assert!(
            same,
            "line {number} of the {what} is\n{line}\nand not\n{expected}"
        );
    }
    assert_eq!(lines.next(), None, "after the last of the {what}");
    let whole = written.is_empty() || written.ends_with('\n');
    assert!(whole, "the {what} end with a line break");
}

/// Whether a line is as `pattern`, in which `…` is for anything.
pub fn is_like(line: &str, pattern: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('…') else {
        return line == pattern;
    };
    let ends = |part: &str| {
        let starts = part.char_indices().map(|(at, _)| &part[at..]);
        starts.chain([""]).any(|end| is_like(end, rest))
    };
    line.strip_prefix(begin).is_some_and(ends)
}

/// The replies with `last_used`, the one field that depends on the clock, set to 1 if it is not null.
pub fn without_times(replies: &str) -> String {
    let parts = replies.split("\"last_used\": ").map(|part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let time = if rest.len() < part.len() { "1" } else { "" };
        time.to_owned() + rest
    });
    parts.collect::<Vec<_>>().join("\"last_used\": ")
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
