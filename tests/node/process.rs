//! The program as a process: its arguments, its streams when they fail, and its exit status.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Command, Stdio};

use least_connections::{Node, serve};

use crate::support::{Output, PROGRAM, TWO, assert_lines, assert_replies, run, start, with_prefix};

const STATS: &str = "{\"type\": \"stats\"}\n";
const STATS_OK: &str = "{\"type\": \"stats_ok\", \"backends\": {}}\n";

/// Runs a command of the shell, in which `$0` is the program, on an input. Asserts how it ends and what it writes.
#[track_caller]
fn assert_shell(command: &str, input: &str, status: i32, stdout: &str, stderr: &str) {
    let mut child = Command::new("sh")
        .args(["-c", command, PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let mut stdin = child.stdin.take().expect("it is piped");
    // The program may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let written =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert_eq!(
        written,
        [stdout.to_owned(), with_prefix(stderr)],
        "{command}"
    );
    assert_eq!(output.status.code(), Some(status), "{command}");
}

mod arguments {
    use super::*;

    #[track_caller]
    fn assert_usage_error(arguments: &[&str], why: &str) {
        let expected = Output {
            replies: String::new(),
            warnings: with_prefix(&format!("{why}; try --help")),
            status: Some(2),
        };
        assert_eq!(run(arguments, STATS), expected);
    }

    #[test]
    fn are_the_pool_in_order() {
        for (arguments, names) in [
            (&["b", "a", "c d", "é"][..], "\"b\", \"a\", \"c d\", \"é\""),
            (
                &["--", "-h", "--version", "--", "-"],
                "\"-h\", \"--version\", \"--\", \"-\"",
            ),
        ] {
            let reply = format!(
                r#"{{"type": "error", "code": 20, "text": {:?}}}"#,
                format!("unknown backend \"\": the pool has {names}")
            );
            assert_replies(
                arguments,
                r#"{"type": "drain", "backend": ""}"#,
                &(reply + "\n"),
            );
        }
        assert_replies(&["--"], STATS, STATS_OK);
    }

    #[test]
    fn that_begin_with_a_dash_are_options() {
        for option in ["--bogus", "-x", "-", "--help=yes", "-hV"] {
            let why = format!("unknown option \"{option}\" (a backend of that name goes after --)");
            assert_usage_error(&["a", option], &why);
        }
    }

    #[test]
    fn must_be_different_names() {
        assert_usage_error(&["a", "b", "a"], "backend \"a\" is named twice");
        assert_usage_error(&["a", "", "a"], "a backend's name is empty");
        assert_usage_error(&["--", ""], "a backend's name is empty");
    }

    #[test]
    fn must_be_utf8() {
        let why = "backend names must be UTF-8; try --help";
        assert_shell(r#""$0" a "$(printf 'caf\351')""#, "", 2, "", why);
    }

    #[test]
    fn can_ask_for_the_version() {
        for arguments in [&["-V"][..], &["a", "--version", "--bogus"]] {
            let output = run(arguments, "");
            assert_eq!(output.replies, "least-connections 0.1.0\n");
            assert_eq!((output.warnings.as_str(), output.status), ("", Some(0)));
        }
    }

    #[test]
    fn can_ask_for_help_on_a_screen_with_an_example() {
        let help = run(&["--help"], "");
        assert_eq!((help.warnings.as_str(), help.status), ("", Some(0)));
        assert_eq!(run(&["-h"], ""), help);
        let help = help.replies;
        assert!(help.starts_with("Usage: least-connections [BACKEND]...\n"));
        assert!(help.lines().count() <= 24 && help.lines().all(|line| line.len() <= 80));
        let lines = help.lines().map(str::trim_start);
        let pasted: Vec<_> = lines.filter(|line| line.starts_with('{')).collect();
        let output = run(TWO, pasted.join("\n"));
        assert_eq!(output.warnings, "");
        assert!(pasted.len() > 5 && output.replies.lines().count() == pasted.len());
        assert!(!output.replies.contains("error"), "{}", output.replies);
    }

    #[test]
    fn are_taken_in_order() {
        assert!(run(&["a", "--help", "a"], "").replies.starts_with("Usage"));
        assert_usage_error(&["a", "a", "--help"], "backend \"a\" is named twice");
    }
}

mod a_stream {
    use super::*;

    const NO_SPACE: &str = "No space left on device (os error 28)";

    #[test]
    fn of_replies_that_is_full_ends_the_program() {
        let why = format!("cannot write replies: {NO_SPACE}");
        for input in [
            STATS,
            &STATS.repeat(10_000),
            // The reply before a warning is what fails, so there is no warning.
            &format!("{STATS}garbage\n"),
            &format!("{STATS}{{\n\"type\":\n"),
            &format!(r#"{{"type": "echo", "echo": "{}"}}"#, "x".repeat(200_000)),
        ] {
            assert_shell(r#""$0" >/dev/full"#, input, 1, "", &why);
        }
        assert_shell(r#""$0" >/dev/full"#, "\n", 0, "", "");
        let why = format!("cannot write to standard output: {NO_SPACE}");
        assert_shell(r#""$0" --help >/dev/full"#, "", 1, "", &why);
    }

    #[test]
    fn of_replies_that_is_closed_is_a_quiet_end() {
        // The input has no end: the program ends because its replies have no reader.
        let program = r#"{ "$0"; echo "least-connections: status $?" >&2; }"#;
        let command = format!("yes '{}' | {program} | head -n 1", STATS.trim_end());
        assert_shell(&command, "", 0, STATS_OK, "status 0");
    }

    #[test]
    fn of_warnings_that_fails_leaves_the_conversation_alone() {
        let input = format!("garbage\n{STATS}").repeat(200);
        for failing in ["2>/dev/full", "2>&-"] {
            let command = format!(r#""$0" {failing}"#);
            assert_shell(&command, &input, 0, &STATS_OK.repeat(200), "");
        }
    }

    #[test]
    fn that_was_never_open_is_no_failure() {
        for closed in ["<&-", ">&-", "<&- >&- 2>&-"] {
            assert_shell(&format!(r#""$0" {closed}"#), STATS, 0, "", "");
        }
    }

    #[test]
    fn of_input_that_cannot_be_read_ends_the_program() {
        let why = "cannot read the input: Is a directory (os error 21)";
        assert_shell(r#""$0" </"#, "", 1, "", why);
    }
}

mod warnings {
    use super::*;

    #[test]
    fn are_all_written_up_to_a_hundred() {
        let output = run(&[], "{x}\n".repeat(100));
        assert_eq!(output.warnings.lines().count(), 100);
        let output = run(&[], "{x}\n".repeat(117));
        let written = (1..=100)
            .map(|line| format!("line {line}, column 2: expected a key in double quotes: `x}}`\n"));
        let end = "100 warnings so far; further ones are left out";
        let expected = format!("{}{end}\n", written.collect::<String>());
        assert_lines(&output.warnings, &with_prefix(&expected), "warnings");
    }

    /// Input that gets the longest warnings that there are.
    fn bad_input(white: &str) -> [String; 4] {
        let name = "\u{1f600}".repeat(60);
        [
            format!("{white}{{\"in_reply_to\": 1, \"{name}\": 0}}"),
            format!("{white}{{\"{name}\":{white}[{name}\u{0}"),
            format!("{white}{{\"a\": \"\u{1}\u{0}{name}"),
            format!("{white}[{name}\u{0}"),
        ]
    }

    #[test]
    fn are_short_whatever_the_input_is() {
        for input in bad_input(&" \n".repeat(1_000_000)) {
            let output = run(&[], input + "\n");
            assert_eq!(output.warnings.lines().count(), 1, "{}", output.warnings);
            assert!(output.warnings.len() <= 500, "{}", output.warnings);
        }
    }

    #[test]
    fn that_have_no_reader_do_not_stall_the_conversation() {
        // Standard error is a pipe, and is read only when everything else is done.
        let mut child = start(&[]);
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut replies = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        for input in bad_input(" \n") {
            for _ in 0..50 {
                let input = format!("{input}\n{STATS}");
                stdin.write_all(input.as_bytes()).expect("it reads");
                let reply = replies.next().expect("it answers").expect("it is UTF-8");
                assert_eq!(reply, STATS_OK.trim_end());
            }
        }
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0));
        let warnings = String::from_utf8(output.stderr).expect("warnings are UTF-8");
        assert_eq!(warnings.lines().count(), 101);
    }
}

/// Input that fails half way, after an interruption.
#[test]
fn every_reply_is_written_before_the_input_fails() {
    struct Failing(Vec<io::Result<&'static [u8]>>);

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.remove(0)?.read(into)
        }
    }

    let input = Failing(vec![
        Ok(b"{\"type\":\n\"sta"),
        Err(ErrorKind::Interrupted.into()),
        Ok(b"ts\"}\n{\"type\":\n"),
        Err(io::Error::other("the wire is cut")),
    ]);
    let mut replies = Vec::new();
    let mut node = Node::new(Vec::new()).expect("no name repeats");
    let ended = serve(&mut node, input, &mut replies, |warning| {
        panic!("{warning}")
    });
    assert_eq!(
        format!("{:#}", ended.unwrap_err()),
        "cannot read the input: the wire is cut"
    );
    assert_eq!(String::from_utf8_lossy(&replies), STATS_OK);
}

#[test]
fn a_node_can_be_sent_to_a_thread() {
    let node = std::thread::spawn(|| Node::new(vec!["a".to_owned(), "a".to_owned()]));
    let refusal = node
        .join()
        .expect("it does not panic")
        .expect_err("a name repeats");
    assert_eq!(refusal.to_string(), r#""a" is listed twice in backends"#);
}

/// On a terminal, made by util-linux's `script`, which shows what is typed and all that is written.
#[cfg(target_os = "linux")]
mod a_terminal {
    use super::*;

    const GREETING: &str = r#"reading messages from the terminal, such as {"type": "http_request", "msg_id": 1} (Ctrl-D ends, --help shows more)"#;

    /// Waits for the greeting, types the keys, and compares what comes after it.
    #[track_caller]
    fn assert_terminal(keys: &str, rest: &str) {
        let mut child = Command::new("script")
            .args(["-qefc", &format!("stty -echo; '{PROGRAM}'"), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it writes something");
        assert_eq!(line.trim_end(), with_prefix(GREETING).trim_end());
        stdin.write_all(keys.as_bytes()).expect("it reads");
        let written: Vec<_> = stdout.lines().map_while(Result::ok).collect();
        assert_eq!(written.join("\n").trim_end(), rest.trim_end());
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        drop(stdin);
    }

    #[test]
    fn gets_a_line_on_what_to_type_and_how_to_stop() {
        assert_terminal(&format!("{STATS}\u{4}"), STATS_OK);
    }

    #[test]
    fn ends_at_the_first_ctrl_d_also_within_a_message() {
        let warning = "line 1: unfinished message: `{\"type\":`";
        assert_terminal("{\"type\":\n\u{4}", &with_prefix(warning));
        // Within a line, the first one only sends what has been typed.
        assert_terminal("{\"type\":\u{4}\u{4}", &with_prefix(warning));
    }
}
