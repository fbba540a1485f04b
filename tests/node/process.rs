//! The program as a process: its arguments, its streams when they fail, and its exit status.

use std::io::{self, ErrorKind, Read};

use least_connections::{Code, LeastConnections, Node, serve};

use crate::support::{Output, STATS, STATS_OK, TWO, assert_replies, run, with_prefix};

mod arguments {
    use super::*;

    #[track_caller]
    fn assert_usage_error(arguments: &[&str], why: &str) {
        let expected = Output {
            replies: String::new(),
            errors: with_prefix(&format!("{why}; try --help")),
            status: Some(2),
        };
        assert_eq!(run(arguments, STATS), expected);
    }

    #[test]
    fn are_the_pool_in_order() {
        let arguments = ["b", "a", "c d", "--", "é", "-h", "-V", "--"];
        let counts = r#"{"b": 1, "a": 0, "c d": 0, "é": 0, "-h": 0, "-V": 0, "--": 0}"#;
        let reply = format!(r#"{{"type": "http_response", …, "active_connections": {counts}}}"#);
        assert_replies(&arguments, r#"{"type": "http_request"}"#, &(reply + "\n"));
        assert_replies(&["--"], STATS, STATS_OK);
    }

    #[test]
    fn are_refused_if_they_are_no_options_and_no_names() {
        for option in ["--bogus", "-x", "-", "--help=yes", "-hV"] {
            let why = format!("unknown option \"{option}\" (a backend of that name goes after --)");
            assert_usage_error(&["a", option], &why);
        }
        assert_usage_error(&["a", "b", "a"], "\"a\" is listed twice");
        assert_usage_error(&["a", ""], "a backend's name is empty");
        assert_usage_error(&["--", ""], "a backend's name is empty");
    }

    #[test]
    fn can_ask_for_the_version() {
        for arguments in [&["-V"][..], &["a", "--version", "--bogus", "a"]] {
            assert_replies(arguments, "", "least-connections 0.1.0\n");
        }
    }

    #[test]
    fn can_ask_for_help_on_a_screen_with_an_example() {
        let help = run(&["--help"], "");
        assert_eq!((help.errors.as_str(), help.status), ("", Some(0)));
        assert_eq!(run(&["-h"], ""), help);
        let help = help.replies;
        assert!(help.starts_with("Usage: least-connections [BACKEND]...\n"));
        assert!(help.lines().count() <= 24 && help.lines().all(|line| line.len() <= 80));
        let lines = help.lines().map(str::trim_start);
        let pasted: Vec<_> = lines.filter(|line| line.starts_with('{')).collect();
        let replies = run(TWO, pasted.join("\n")).replies;
        assert!(pasted.len() > 4 && replies.lines().count() == pasted.len());
        assert!(!replies.contains("error"), "{replies}");
    }
}

/// Streams that fail, as Linux has them.
#[cfg(target_os = "linux")]
mod a_stream {
    use std::io::Write as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::support::{PROGRAM, in_time, program, run_command};

    const NO_SPACE: &str = "cannot write output: No space left on device (os error 28)";

    /// Runs a command of the shell, in which `$0` is the program, on an input. Asserts how it ends and what it writes.
    #[track_caller]
    fn assert_shell(command: &str, input: &str, status: i32, replies: &str, error: &str) {
        let output = run_command(Command::new("sh").args(["-c", command, PROGRAM]), input);
        let expected = Output {
            replies: replies.to_owned(),
            errors: error.lines().map(with_prefix).collect(),
            status: Some(status),
        };
        assert_eq!(output, expected, "{command}");
    }

    #[test]
    fn of_replies_that_is_full_ends_the_program() {
        let long = format!(r#"{{"type": "echo", "echo": "{}"}}"#, "x".repeat(200_000));
        let many = format!("{STATS}\n").repeat(10_000);
        for input in [STATS, &many, "garbage\n", "{}\n{", &long] {
            assert_shell(r#""$0" >/dev/full"#, input, 1, "", NO_SPACE);
        }
        assert_shell(r#""$0" >/dev/full"#, "\n", 0, "", "");
        assert_shell(r#""$0" --help >/dev/full"#, "", 1, "", NO_SPACE);
    }

    #[test]
    fn of_replies_that_is_closed_is_a_quiet_end() {
        // The input has no end: the program ends because its replies have no reader.
        let program = r#"{ "$0"; echo "least-connections: status $?" >&2; }"#;
        let command = format!("yes '{STATS}' | {program} | head -n 1");
        assert_shell(&command, "", 0, STATS_OK, "status 0");
    }

    #[test]
    fn that_is_closed_before_anything_is_written_is_a_quiet_end() {
        for arguments in [&["--help"][..], &["--version"], &[]] {
            // The reader of what is written is dropped at once.
            let (output, _) = UnixStream::pair().expect("there are sockets");
            let mut command = program(arguments);
            let command = command.stdin(Stdio::piped()).stdout(OwnedFd::from(output));
            let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
            let mut stdin = child.stdin.take().expect("it is piped");
            let _ = writeln!(stdin, "{STATS}");
            // The input goes on: the program ends because nobody reads its replies.
            let output = in_time(|| child.wait_with_output().expect("it ends"));
            let end = (output.stderr, output.status.code());
            assert_eq!(end, (Vec::new(), Some(0)), "{arguments:?}");
            drop(stdin);
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

    #[test]
    fn is_not_read_if_a_name_is_not_utf8() {
        let why = "backend names must be UTF-8; try --help";
        assert_shell(r#""$0" a "$(printf 'caf\351')""#, "", 2, "", why);
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

    let input = |error| {
        Failing(vec![
            Ok(b"{\"type\":\n\"sta"),
            Err(ErrorKind::Interrupted.into()),
            Ok(b"ts\"}\n{\"type\":\n"),
            Err(io::Error::new(ErrorKind::ConnectionReset, error)),
        ])
    };
    let mut replies = Vec::new();
    let mut node = Node::new(Vec::new()).expect("no name repeats");
    let error = serve(&mut node, input("the wire is cut"), &mut replies).expect_err("it fails");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.to_string(), "cannot read the input: the wire is cut");
    assert_eq!(String::from_utf8_lossy(&replies), STATS_OK);
    // If they cannot be written, the input is not read any more.
    let full: &mut [u8] = &mut [];
    let error = serve(&mut node, input("it is read"), full).expect_err("it fails");
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[test]
fn the_library_refuses_the_same_and_never_overflows() {
    for names in [["a", "b", "a"], ["a", "a", "b"], ["a", "", "b"]] {
        let node = std::thread::spawn(move || Node::new(names.map(str::to_owned).to_vec()));
        let node = node.join().expect("it does not panic").map(drop);
        for made in [node, LeastConnections::new(&names).map(drop)] {
            assert_eq!(made.expect_err("refused").code, Code::MalformedRequest);
        }
    }
    let balancer = LeastConnections::new(&["a"]).expect("no name repeats");
    let mut balancer = balancer.open();
    for report in [&[("a".into(), u64::MAX)][..], &[]] {
        assert_eq!(balancer.route(report, u64::MAX), Ok(0));
    }
    assert_eq!(balancer.backends()[0].active_connections, u64::MAX);
}

/// On a terminal, made by util-linux's `script`, which shows what is typed and all that is written.
#[cfg(target_os = "linux")]
mod a_terminal {
    use std::process::Command;

    use super::*;
    use crate::support::{Live, PROGRAM};

    const REPORTED: &str = r#"{"type": "http_response", "in_reply_to": 1, "backend": "b"}"#;

    /// A command of the shell, in which `$0` is the program.
    fn open(command: &str) -> Live {
        let command = format!("stty -echo; {}", command.replace("$0", PROGRAM));
        Live::open(Command::new("script").args(["-qefc", &command, "/dev/null"]))
    }

    /// Waits for the greeting, types the message that it shows and these keys, and compares what comes after it.
    #[track_caller]
    fn assert_terminal(command: &str, keys: &str, rest: &str) {
        let mut live = open(command);
        let hint = live.reply();
        let greeting = "least-connections: reading messages from the terminal, such as ";
        let example = hint.trim_end().strip_prefix(greeting).expect("it greets");
        let example = example.strip_suffix(" (Ctrl-D ends, --help shows more)");
        live.send([example.expect("it says how to stop"), "\n", keys].concat());
        for reply in rest.lines() {
            assert_eq!(live.reply().trim_end(), reply);
        }
        live.assert_ended();
    }

    #[test]
    fn gets_no_hint_if_the_input_is_not_one() {
        let live = open(&format!("echo '{STATS}' | $0"));
        assert_eq!(live.reply(), STATS_OK);
        live.assert_ended();
    }

    #[test]
    fn shows_a_message_that_works_and_how_to_stop() {
        let reply = r#"{"type": "http_response", "in_reply_to": 1, "status": 200, "backend": "x", "active_connections": {"x": 1}}"#;
        assert_terminal("$0 x", "\u{4}", reply);
        assert_terminal("$0", "\u{4}", REPORTED);
    }

    #[test]
    fn ends_at_the_first_ctrl_d_also_within_a_message() {
        let error =
            r#"{"type": "error", "code": 12, "text": "line 2: unfinished message: `{\"type\":`"}"#;
        let replies = [REPORTED, error].join("\n");
        assert_terminal("$0", "{\"type\":\n\u{4}", &replies);
        // Within a line, the first one only sends what has been typed.
        assert_terminal("$0", "{\"type\":\u{4}\u{4}", &replies);
    }
}
