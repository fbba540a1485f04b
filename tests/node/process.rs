//! The program as a process: its arguments, its streams when they fail, and its exit status.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{self, Command, Stdio};

use crate::support::{Output, PROGRAM, TWO, assert_lines, assert_replies, run, start, with_prefix};

const STATS: &str = "{\"type\": \"stats\"}\n";
const STATS_OK: &str = "{\"type\": \"stats_ok\", \"backends\": {}}\n";

/// How a process ended, and what it wrote. `stderr` is without the program's name.
#[track_caller]
fn assert_ended(output: &process::Output, status: i32, stdout: &str, stderr: &str) {
    let written = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(written, (stdout.into(), with_prefix(stderr).into()));
    assert_eq!(output.status.code(), Some(status));
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

    #[track_caller]
    fn assert_pool(arguments: &[&str], names: &[&str]) {
        const COUNTERS: &str = r#"{"active_connections": 0, "total_requests": 0, "last_used": null, "draining": false}"#;
        let backends: Vec<_> = names
            .iter()
            .map(|name| format!("{name:?}: {COUNTERS}"))
            .collect();
        let backends = backends.join(", ");
        assert_replies(
            arguments,
            STATS,
            &format!("{{\"type\": \"stats_ok\", \"backends\": {{{backends}}}}}\n"),
        );
    }

    #[test]
    fn are_the_pool_in_order() {
        assert_pool(&[], &[]);
        assert_pool(&["b", "a", "", "c d", "é"], &["b", "a", "", "c d", "é"]);
    }

    #[test]
    fn after_two_dashes_are_backends() {
        assert_pool(&["--"], &[]);
        assert_pool(
            &["a", "--", "-h", "--version", "--", "-"],
            &["a", "-h", "--version", "--", "-"],
        );
    }

    #[test]
    fn that_begin_with_a_dash_are_options() {
        for option in ["--bogus", "-x", "-", "--help=yes", "-hV"] {
            let why = format!("unknown option \"{option}\" (a backend of that name goes after --)");
            assert_usage_error(&["a", option], &why);
        }
        let long = format!("--{}", "x".repeat(100_000));
        let why = format!(
            "unknown option \"--{}…\" (a backend of that name goes after --)",
            "x".repeat(38)
        );
        assert_usage_error(&[&long], &why);
    }

    #[test]
    fn must_not_name_a_backend_twice() {
        assert_usage_error(&["a", "b", "a"], "backend \"a\" is named twice");
        assert_usage_error(&["", "--", ""], "backend \"\" is named twice");
    }

    #[cfg(unix)]
    #[test]
    fn must_be_utf8() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let mut command = Command::new(PROGRAM);
        command.args(["a".as_ref(), OsStr::from_bytes(b"caf\xe9")]);
        let output = command.output().expect("it runs");
        assert_ended(&output, 2, "", "backend names must be UTF-8; try --help");
    }

    #[test]
    fn can_ask_for_the_version() {
        for arguments in [&["-V"][..], &["--version"], &["a", "--version", "--bogus"]] {
            let output = run(arguments, "");
            assert_eq!(output.replies, "least-connections 0.1.0\n");
            assert_eq!((output.warnings.as_str(), output.status), ("", Some(0)));
        }
    }

    #[test]
    fn can_ask_for_help_that_fits_on_a_screen() {
        let help = run(&["--help"], "");
        assert_eq!((help.warnings.as_str(), help.status), ("", Some(0)));
        assert_eq!(run(&["-h"], ""), help);
        let help = help.replies;
        assert!(help.starts_with("Usage: least-connections [BACKEND]...\n"));
        assert!(help.lines().count() <= 24);
        assert!(help.lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn can_ask_for_help_with_an_example_to_paste() {
        let help = run(&["--help"], "").replies;
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
        let version = run(&["--version", "--help"], "").replies;
        assert_eq!(version, "least-connections 0.1.0\n");
        assert_usage_error(&["a", "a", "--help"], "backend \"a\" is named twice");
        let why = "unknown option \"--bogus\" (a backend of that name goes after --)";
        assert_usage_error(&["--bogus", "--help"], why);
    }
}

mod a_full_disk {
    use super::*;

    const NO_SPACE: &str = "No space left on device (os error 28)";

    fn full_disk() -> Stdio {
        let file = OpenOptions::new().write(true).open("/dev/full");
        file.expect("the system has one").into()
    }

    fn run_with(stdout: Stdio, stderr: Stdio, arguments: &[&str], input: &str) -> process::Output {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        // It may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    #[test]
    fn ends_the_program_with_one_line_and_status_1() {
        let why = format!("cannot write replies: {NO_SPACE}");
        for input in [
            STATS,
            &STATS.repeat(10_000),
            // The reply before a warning is what fails, so there is no warning.
            &format!("{STATS}garbage\n"),
            // An object over many lines is read in another way.
            &format!("{STATS}{{\n\"type\":\n"),
            &format!(r#"{{"type": "echo", "echo": "{}"}}"#, "x".repeat(200_000)),
        ] {
            let output = run_with(full_disk(), Stdio::piped(), &[], input);
            assert_ended(&output, 1, "", &why);
        }
    }

    #[test]
    fn is_no_problem_if_there_is_nothing_to_write() {
        let output = run_with(full_disk(), Stdio::piped(), &[], "\n");
        assert_ended(&output, 0, "", "");
    }

    #[test]
    fn fails_help_and_version_too() {
        let why = format!("cannot write to standard output: {NO_SPACE}");
        for option in ["--help", "--version"] {
            let output = run_with(full_disk(), Stdio::piped(), &[option], "");
            assert_ended(&output, 1, "", &why);
        }
    }

    #[test]
    fn of_warnings_leaves_the_conversation_alone() {
        let input = format!("garbage\n{STATS}").repeat(200);
        let output = run_with(Stdio::piped(), full_disk(), &[], &input);
        assert_ended(&output, 0, &STATS_OK.repeat(200), "");
    }
}

mod a_closed_stream {
    use super::*;

    #[test]
    fn of_replies_is_a_quiet_end() {
        let mut child = start(&[]);
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut first = String::new();
        stdin.write_all(STATS.as_bytes()).expect("it reads");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        stdout.read_line(&mut first).expect("it answers");
        assert_eq!(first, STATS_OK);
        drop(stdout);
        // The input has no end: the program ends because its replies have no reader.
        while stdin.write_all(STATS.as_bytes()).is_ok() {}
        let output = child.wait_with_output().expect("it ends");
        assert_ended(&output, 0, "", "");
    }

    #[test]
    fn of_help_is_a_quiet_end() {
        let mut child = start(&["--help"]);
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_ended(&output, 0, "", "");
    }

    #[test]
    fn of_warnings_leaves_the_conversation_alone() {
        let mut child = start(&[]);
        drop(child.stderr.take());
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = format!("garbage\n{STATS}").repeat(3);
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_ended(&output, 0, &STATS_OK.repeat(3), "");
    }

    #[test]
    fn that_was_never_open_is_no_failure() {
        for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let script = format!("echo garbage | \"$0\" {redirection}");
            let output = Command::new("sh").args(["-c", &script, PROGRAM]).output();
            let output = output.expect("there is a shell");
            assert_eq!(output.status.code(), Some(0), "{redirection}");
        }
    }
}

mod warnings {
    use super::*;

    const GARBAGE: &str = "{\"type\": \"stats\"}{\"\u{1f600}\u{1f600}";

    #[test]
    fn are_all_written_up_to_a_hundred() {
        let output = run(&[], "{}\n".repeat(100));
        assert_eq!(output.warnings.lines().count(), 100);
        assert!(!output.warnings.contains("left out"));
    }

    #[test]
    fn above_a_hundred_are_counted() {
        for (count, left_out) in [(101, "1 warning left out"), (117, "17 warnings left out")] {
            let output = run(&[], "{}\n".repeat(count));
            let written = (1..=100).map(|line| {
                format!(
                    "line {line}: not answered: no \"type\", and no \"src\" and \"dest\": `{{}}`\n"
                )
            });
            let end = "100 warnings so far; further ones are left out";
            let expected = format!("{}{end}\n{left_out}\n", written.collect::<String>());
            assert_lines(&output.warnings, &with_prefix(&expected), "warnings");
        }
    }

    #[test]
    fn that_have_no_reader_do_not_stall_the_conversation() {
        // Standard error is a pipe, and is read only when everything else is done.
        let mut child = start(&[]);
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut replies = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        // The longest warnings that there are.
        let name = "\u{1f600}".repeat(60);
        for input in [
            format!("{{\"src\": \"\\ud800{name}\", \"{name}\": 0}}\n{STATS}"),
            format!("{{\"{name}\":\n[{name}\u{0}\n{STATS}"),
            format!("{GARBAGE}\u{1}\u{0}{name}\n"),
        ] {
            for _ in 0..1000 {
                stdin.write_all(input.as_bytes()).expect("it reads");
                let reply = replies.next().expect("it answers").expect("it is UTF-8");
                assert_eq!(reply, STATS_OK.trim_end());
            }
        }
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0));
        let warnings = String::from_utf8(output.stderr).expect("warnings are UTF-8");
        assert_eq!(warnings.lines().count(), 102);
        assert!(warnings.ends_with("2900 warnings left out\n"));
    }

    #[test]
    fn are_short_whatever_the_input_is() {
        let name = "\u{1f600}".repeat(60);
        let blank = "\n".repeat(1_000_000);
        let white = " ".repeat(1_000_000);
        for input in [
            format!("{blank}{{\"src\": \"\\ud800{name}\", \"{name}\": 0}}"),
            format!("{blank}{{\"{name}\":{blank}[{white}{name}\u{0}"),
            format!("{blank}{{\"a\":{blank}{white}\"{white}\u{1}\u{0}{name}"),
            format!("{blank}{white}[{name}\u{0}"),
        ] {
            let output = run(&[], input + "\n");
            assert_eq!(output.warnings.lines().count(), 1, "{}", output.warnings);
            // What `MAX_WARNINGS` in src/main.rs relies on.
            assert!(output.warnings.len() <= 4096 / 7, "{}", output.warnings);
        }
    }
}

#[test]
fn a_folder_as_input_ends_the_program_with_status_1() {
    let output = Command::new(PROGRAM)
        .stdin(Stdio::from(File::open("/").expect("there is a folder")))
        .output()
        .expect("it runs");
    let why = "cannot read standard input: Is a directory (os error 21)";
    assert_ended(&output, 1, "", why);
}

mod input_that_fails_half_way {
    use std::io::{self, ErrorKind, Read};

    use least_connections::{Node, serve};

    /// Returns some pieces, an interruption before each, and at the end an error.
    struct Failing {
        pieces: Vec<&'static [u8]>,
        interrupted: bool,
    }

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(ErrorKind::Interrupted.into());
            }
            if self.pieces.is_empty() {
                return Err(io::Error::other("the wire is cut"));
            }
            self.pieces.remove(0).read(into)
        }
    }

    #[test]
    fn ends_the_conversation_after_every_reply() {
        for pieces in [
            vec![&b"{\"type\": \"stats\"}\n"[..]],
            vec![b"{\"type\": \"sta", b"ts\"}\n{\"type\":\n"],
            vec![b"{\"type\":", b"\n\"stats\"", b"}\n{\"type\": \""],
        ] {
            let mut replies = Vec::new();
            let input = Failing {
                pieces,
                interrupted: false,
            };
            let mut node = Node::new(Vec::new());
            let ended = serve(&mut node, input, &mut replies, |warning| {
                panic!("{warning}")
            });
            let error = format!("{:#}", ended.unwrap_err());
            assert_eq!(error, "cannot read standard input: the wire is cut");
            assert_eq!(String::from_utf8_lossy(&replies), super::STATS_OK);
        }
    }
}

/// On a terminal, made by util-linux's `script`, which shows what is typed and all that is written.
#[cfg(target_os = "linux")]
mod a_terminal {
    use super::*;

    use least_connections::quoted;

    const GREETING: &str = r#"reading messages from the terminal, such as {"type": "http_request", "msg_id": 1} (Ctrl-D ends, --help tells more)"#;

    /// Waits for `greeting`, types the keys, and compares what comes after it.
    #[track_caller]
    fn assert_terminal(arguments: &str, greeting: &str, keys: &str, rest: &str) {
        let mut child = Command::new("script")
            .args([
                "-qefc",
                &format!("stty -echo; '{PROGRAM}' {arguments}"),
                "/dev/null",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        for expected in with_prefix(greeting).lines() {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("it writes something");
            assert_eq!(line.trim_end(), expected);
        }
        stdin.write_all(keys.as_bytes()).expect("it reads");
        let written: Vec<_> = stdout.lines().map_while(Result::ok).collect();
        assert_eq!(written.join("\n").trim_end(), rest.trim_end());
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        drop(stdin);
    }

    #[test]
    fn gets_a_line_on_what_to_type_and_how_to_stop() {
        assert_terminal("", GREETING, &format!("{STATS}\u{4}"), STATS_OK);
        assert_terminal("a", GREETING, "\u{4}", "");
    }

    #[test]
    fn ends_at_the_first_ctrl_d_also_within_a_message() {
        let warning = "line 1: unfinished message at the end of the input: `{\"type\":`";
        assert_terminal("", GREETING, "{\"type\":\n\u{4}", &with_prefix(warning));
    }

    #[test]
    fn gets_a_line_on_an_argument_that_is_a_file() {
        let file =
            r#""Cargo.toml" was taken as a backend's name; to read a file, use < Cargo.toml"#;
        let greeting = format!("{GREETING}\n{file}");
        assert_terminal("a src Cargo.toml", &greeting, "\u{4}", "");
    }

    #[test]
    fn gets_that_line_short_and_quoted_if_the_name_is_odd() {
        for name in ["a b", "a\u{1b}[31m", &"x".repeat(200)] {
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, "").expect("there is room");
            let path = path.to_str().expect("it is UTF-8");
            let quoted = quoted(path);
            let file = "was taken as a backend's name; to read a file, use <";
            let greeting = format!("{GREETING}\n{quoted} {file} {quoted}");
            assert_terminal(&format!("'{path}'"), &greeting, "\u{4}", "");
            std::fs::remove_file(path).expect("it is there");
        }
    }

    #[test]
    fn that_cuts_a_line_is_named_in_the_warning() {
        let cut = "a terminal passes 4095 bytes a line; read longer ones from a file";
        for (begin, end, warning) in [
            (
                r#"{"a": ""#,
                "x",
                format!("line 1, column 4096: missing closing quote ({cut})"),
            ),
            (
                r#"{"a":  ""#,
                "é",
                format!("line 1, column 2052: not UTF-8: `\u{fffd}` ({cut})"),
            ),
        ] {
            let line = format!("{begin}{}\"}}\n", end.repeat(5000));
            assert_terminal(
                "",
                GREETING,
                &format!("{line}\u{4}"),
                &with_prefix(&warning),
            );
        }
        // Mistakes that have nothing to do with the cut.
        let line = format!("{{x{}\n", "é".repeat(2500));
        let warning = format!(
            "line 1, column 2: keys need double quotes: `x{}…`",
            "é".repeat(39)
        );
        assert_terminal(
            "",
            GREETING,
            &format!("{line}\u{4}"),
            &with_prefix(&warning),
        );
        let warning = r"line 1, column 8: missing closing quote";
        assert_terminal("", GREETING, "{\"a\": \"\n\u{4}", &with_prefix(warning));
    }
}
