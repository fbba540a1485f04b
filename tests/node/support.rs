//! Running the program, and comparing what it writes.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use least_connections::Node;

/// The built binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_least-connections");

/// After this, a test fails that waits. It is long enough for a busy machine.
pub const TIME_LIMIT: Duration = Duration::from_secs(180);

/// A message, and its reply while there are no backends.
pub const STATS: &str = r#"{"type": "stats"}"#;
pub const STATS_OK: &str = "{\"type\": \"stats_ok\", \"backends\": {}}\n";

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

/// What some work returns. If it takes too long, the test fails, and does not hang.
#[track_caller]
pub fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(work()));
    let result = receiver.recv_timeout(TIME_LIMIT);
    result.expect("it ends in time")
}

/// Runs the program on an input, to its end.
#[track_caller]
pub fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    run_command(&mut program(arguments), input)
}

#[track_caller]
pub fn run_command(command: &mut Command, input: impl AsRef<[u8]>) -> Output {
    let mut child = start(command);
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.as_ref().to_owned();
    // The program may end before it has read everything.
    thread::spawn(move || stdin.write_all(&input));
    let output = in_time(|| child.wait_with_output().expect("it ends"));
    Output {
        replies: String::from_utf8(output.stdout).expect("replies are UTF-8"),
        errors: String::from_utf8(output.stderr).expect("errors are UTF-8"),
        status: output.status.code(),
    }
}

/// All replies that a node of the library gives to an input.
#[track_caller]
pub fn serve(backends: &[&str], input: impl Read + Send + 'static) -> String {
    let backends = backends.iter().map(|&name| name.to_owned()).collect();
    let mut node = Node::new(backends).expect("no name repeats");
    in_time(move || {
        let mut replies = Vec::new();
        least_connections::serve(&mut node, input, &mut replies).expect("memory can be written");
        String::from_utf8(replies).expect("replies are UTF-8")
    })
}

/// A running program that is sent input piece by piece.
pub struct Live {
    pub child: Child,
    replies: Receiver<String>,
}

impl Live {
    pub fn start(arguments: &[&str]) -> Self {
        Self::open(&mut program(arguments))
    }

    pub fn open(command: &mut Command) -> Self {
        let mut child = start(command);
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, replies) = channel();
        thread::spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Self { child, replies }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.child.stdin.as_mut().expect("it is open");
        stdin.write_all(bytes.as_ref()).expect("the program reads");
    }

    /// The next reply, with its line break.
    #[track_caller]
    pub fn reply(&self) -> String {
        let reply = self.replies.recv_timeout(TIME_LIMIT);
        reply.expect("there is a reply") + "\n"
    }

    /// Ends the input. There are no further replies.
    #[track_caller]
    pub fn assert_ends(mut self) {
        drop(self.child.stdin.take());
        self.assert_ended();
    }

    /// There are no further replies, whether the input has ended or not.
    #[track_caller]
    pub fn assert_ended(mut self) {
        let (status, reply) = in_time(move || {
            // Waiting closes it, if it is there.
            let _stdin = self.child.stdin.take();
            let status = self.child.wait().expect("it ends");
            (status, self.replies.recv().ok())
        });
        assert_eq!((status.code(), reply), (Some(0), None));
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
    let lines = transcript.lines().map(str::trim_start);
    for line in lines.filter(|line| !line.is_empty()) {
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
pub fn assert_replies(arguments: &[&str], input: impl AsRef<[u8]>, replies: &str) {
    let output = run(arguments, input);
    assert_lines(&without_times(&output.replies), replies, "replies");
    assert_eq!((output.errors.as_str(), output.status), ("", Some(0)));
}

/// The bytes of an input as tables have it: `⏎` is a line break, `↵` a carriage return, `⇥` a tab, `⌘` a byte order mark,
/// `␣` a no-break space, `␇` a bell, `¤` a byte that is not UTF-8, and `§` a message.
pub fn bytes_of(input: &str) -> Vec<u8> {
    let (mut bytes, buffer) = (Vec::new(), &mut [0; 4]);
    for character in input.chars() {
        bytes.extend_from_slice(match character {
            '⏎' => b"\n",
            '↵' => b"\r",
            '⇥' => b"\t",
            '⌘' => "\u{feff}".as_bytes(),
            '␣' => "\u{a0}".as_bytes(),
            '␇' => b"\x07",
            '¤' => b"\xff",
            '§' => STATS.as_bytes(),
            other => other.encode_utf8(buffer).as_bytes(),
        });
    }
    bytes
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
        assert!(same, "{what}, line {number}: {line}\nis not {expected}");
    }
    assert_eq!(lines.next(), None, "{what}, after the last line");
    let whole = written.is_empty() || written.ends_with('\n');
    assert!(whole, "{what}, the last line break");
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
