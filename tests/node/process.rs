//! The program as a process: its arguments, its streams when they fail, its exit status.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use crate::support::{PROGRAM, Said, converse, run, start};

const STATS: &str = "{\"type\": \"stats\"}\n";

#[track_caller]
fn assert_ended(output: &Output, status: i32, stdout: &str, stderr: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(output.status.code(), Some(status));
}

mod arguments {
    use super::*;

    /// These arguments are wrong, and one line says why.
    #[track_caller]
    fn wrong(arguments: &[&str], why: &str) {
        let said = run(arguments, STATS);
        let expected = Said {
            replies: String::new(),
            remarks: format!("least-connections: {why}; try --help\n"),
            status: Some(2),
        };
        assert_eq!(said, expected);
    }

    /// The names that these arguments put into the pool, in its order.
    #[track_caller]
    fn pool(arguments: &[&str], names: &[&str]) {
        let counters = r#"{"active_connections": 0, "total_requests": 0, "last_used": null}"#;
        let backends: Vec<_> = names
            .iter()
            .map(|name| format!("{name:?}: {counters}"))
            .collect();
        converse(
            arguments,
            STATS,
            &format!(
                "{{\"type\": \"stats_ok\", \"backends\": {{{}}}}}\n",
                backends.join(", ")
            ),
        );
    }

    #[test]
    fn are_the_pool_in_its_order() {
        pool(&[], &[]);
        pool(&["b", "a", "", "c d", "é"], &["b", "a", "", "c d", "é"]);
    }

    #[test]
    fn behind_two_dashes_are_backends_whatever_they_look_like() {
        pool(&["--"], &[]);
        pool(
            &["a", "--", "-h", "--version", "--", "-"],
            &["a", "-h", "--version", "--", "-"],
        );
    }

    #[test]
    fn that_begin_with_a_dash_are_options_and_mostly_unknown() {
        wrong(
            &["--bogus"],
            "unknown option \"--bogus\"; a backend of that name goes after --",
        );
        wrong(
            &["a", "-x"],
            "unknown option \"-x\"; a backend of that name goes after --",
        );
        wrong(
            &["-"],
            "unknown option \"-\"; a backend of that name goes after --",
        );
        wrong(
            &["--help=yes"],
            "unknown option \"--help=yes\"; a backend of that name goes after --",
        );
    }

    #[test]
    fn may_not_name_a_backend_twice() {
        wrong(&["a", "b", "a"], "backend \"a\" is named twice");
        wrong(&["", "--", ""], "backend \"\" is named twice");
    }

    #[cfg(unix)]
    #[test]
    fn may_not_be_anything_but_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let output = Command::new(PROGRAM)
            .args(["a".as_ref(), std::ffi::OsStr::from_bytes(b"caf\xe9")])
            .output()
            .expect("it runs");
        assert_ended(
            &output,
            2,
            "",
            "least-connections: an argument is not UTF-8, and the name of a backend must be; try --help\n",
        );
    }

    #[test]
    fn may_ask_for_the_version() {
        for arguments in [&["-V"][..], &["--version"], &["a", "--version", "--bogus"]] {
            let said = run(arguments, "");
            assert_eq!(
                (said.replies.as_str(), said.remarks.as_str(), said.status),
                ("least-connections 0.1.0\n", "", Some(0))
            );
        }
    }

    #[test]
    fn may_ask_for_help_which_fits_on_a_screen_and_has_a_conversation_to_paste() {
        let said = run(&["--help"], "");
        assert_eq!((said.remarks.as_str(), said.status), ("", Some(0)));
        assert_eq!(run(&["-h"], ""), said);
        assert!(
            said.replies
                .starts_with("Usage: least-connections [BACKEND]...\n")
        );
        assert!(said.replies.lines().count() <= 24);
        assert!(said.replies.lines().all(|line| line.len() <= 80));
        let lines = said.replies.lines().map(str::trim_start);
        let pasted: Vec<_> = lines.filter(|line| line.starts_with('{')).collect();
        let answers = run(&["api-1", "api-2"], pasted.join("\n"));
        assert_eq!(answers.remarks, "");
        assert_eq!(answers.replies.lines().count(), pasted.len());
        assert!(!answers.replies.contains("error"), "{}", answers.replies);
    }

    #[test]
    fn are_taken_in_order_and_the_first_that_settles_the_matter_does() {
        assert!(run(&["a", "--help", "a"], "").replies.starts_with("Usage"));
        assert!(
            run(&["--version", "--help"], "")
                .replies
                .starts_with("least-connections 0.1.0")
        );
        wrong(&["a", "a", "--help"], "backend \"a\" is named twice");
        wrong(
            &["--bogus", "--help"],
            "unknown option \"--bogus\"; a backend of that name goes after --",
        );
    }
}

mod a_full_disk {
    use super::*;

    const NO_SPACE: &str = "No space left on device (os error 28)";

    fn full_disk() -> Stdio {
        let file = OpenOptions::new().write(true).open("/dev/full");
        Stdio::from(file.expect("the system has one"))
    }

    /// Runs the program on an input, with its replies or its remarks going to a full disk.
    fn run_with(stdout: Stdio, stderr: Stdio, arguments: &[&str], input: &str) -> Output {
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

    fn onto_full_disk(arguments: &[&str], input: &str) -> Output {
        run_with(full_disk(), Stdio::piped(), arguments, input)
    }

    #[test]
    fn ends_the_program_with_one_line_and_status_1() {
        let why = format!("least-connections: cannot write replies: {NO_SPACE}\n");
        assert_ended(&onto_full_disk(&[], STATS), 1, "", &why);
        assert_ended(&onto_full_disk(&[], &STATS.repeat(10_000)), 1, "", &why);
        // The reply before a remark is what fails, so the remark is never made.
        assert_ended(
            &onto_full_disk(&[], &format!("{STATS}garbage\n")),
            1,
            "",
            &why,
        );
        // A message of many lines is read in another way, and written out in the same.
        assert_ended(
            &onto_full_disk(&[], &format!("{STATS}{{\n\"type\":\n")),
            1,
            "",
            &why,
        );
        let echo = format!(
            "{{\"type\": \"echo\", \"echo\": \"{}\"}}\n",
            "x".repeat(200_000)
        );
        assert_ended(&onto_full_disk(&[], &echo), 1, "", &why);
    }

    #[test]
    fn is_no_trouble_where_there_is_nothing_to_write() {
        assert_ended(&onto_full_disk(&[], "\n"), 0, "", "");
    }

    #[test]
    fn fails_help_and_version_too() {
        let why = format!("least-connections: cannot write to standard output: {NO_SPACE}\n");
        assert_ended(&onto_full_disk(&["--help"], ""), 1, "", &why);
        assert_ended(&onto_full_disk(&["--version"], ""), 1, "", &why);
    }

    #[test]
    fn takes_remarks_and_leaves_the_conversation_alone() {
        let input = format!("garbage\n{STATS}");
        let output = run_with(Stdio::piped(), full_disk(), &[], &input);
        assert_ended(
            &output,
            0,
            "{\"type\": \"stats_ok\", \"backends\": {}}\n",
            "",
        );
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
        assert_eq!(first, "{\"type\": \"stats_ok\", \"backends\": {}}\n");
        drop(stdout);
        // Endless input: it ends by itself, because nobody hears it.
        while stdin.write_all(STATS.as_bytes()).is_ok() {}
        let output = child.wait_with_output().expect("it ends");
        assert_ended(&output, 0, "", "");
    }

    #[test]
    fn is_a_quiet_end_for_help_too() {
        let mut child = start(&["--help"]);
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_ended(&output, 0, "", "");
    }

    #[test]
    fn of_remarks_leaves_the_conversation_alone() {
        let mut child = start(&[]);
        drop(child.stderr.take());
        let mut stdin = child.stdin.take().expect("it is piped");
        for _ in 0..3 {
            stdin
                .write_all(format!("garbage\n{STATS}").as_bytes())
                .expect("it reads");
        }
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_ended(
            &output,
            0,
            &"{\"type\": \"stats_ok\", \"backends\": {}}\n".repeat(3),
            "",
        );
    }

    #[test]
    fn that_was_never_open_is_no_reason_to_fail() {
        for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let status = Command::new("sh")
                .args([
                    "-c",
                    &format!("echo garbage | \"$0\" {redirection}"),
                    PROGRAM,
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("there is a shell");
            assert_eq!(status.code(), Some(0), "{redirection}");
        }
    }
}

#[test]
fn input_that_is_a_folder_ends_the_program_with_one_line_and_status_1() {
    let output = Command::new(PROGRAM)
        .stdin(Stdio::from(File::open("/").expect("there is a folder")))
        .output()
        .expect("it runs");
    assert_ended(
        &output,
        1,
        "",
        "least-connections: cannot read standard input: Is a directory (os error 21)\n",
    );
}

mod input_that_fails_half_way {
    use std::io::{self, ErrorKind, Read};

    use least_connections::{Node, serve};

    /// Hands out some pieces, fails now and then in a way that means nothing, and at the end for good.
    struct Failing(Vec<&'static [u8]>, bool);

    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Err(io::Error::other("the wire is cut"));
            }
            self.0.remove(0).read(into)
        }
    }

    #[test]
    fn ends_the_conversation_with_what_failed_and_every_reply_so_far() {
        for pieces in [
            vec![&b"{\"type\": \"stats\"}\n"[..]],
            vec![b"{\"type\": \"sta", b"ts\"}\n{\"type\":\n"],
            vec![b"{\"type\":", b"\n\"stats\"", b"}\n{\"type\": \""],
        ] {
            let (mut replies, mut remarks) = (Vec::new(), Vec::new());
            let mut node = Node::new(Vec::new());
            let ended = serve(
                &mut node,
                Failing(pieces, false),
                &mut replies,
                &mut remarks,
            );
            assert_eq!(
                format!("{:#}", ended.unwrap_err()),
                "cannot read standard input: the wire is cut"
            );
            assert_eq!(
                String::from_utf8_lossy(&replies),
                "{\"type\": \"stats_ok\", \"backends\": {}}\n"
            );
            assert_eq!(String::from_utf8_lossy(&remarks), "");
        }
    }
}

/// On a terminal, made by util-linux's `script`, which shows what is typed and all that is said.
#[cfg(target_os = "linux")]
mod a_terminal {
    use super::*;

    #[track_caller]
    fn typed(arguments: &str, keys: &str, seen: &str) {
        let mut child = Command::new("script")
            .args([
                "-qefc",
                &format!("stty -echo; '{PROGRAM}' {arguments}"),
                "/dev/null",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).expect("it says something");
        stdin.write_all(keys.as_bytes()).expect("it reads");
        let rest: Vec<_> = stdout.lines().map_while(Result::ok).collect();
        assert_eq!(
            format!("{}\n{}", greeting.trim_end(), rest.join("\n")).trim_end(),
            seen
        );
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        drop(stdin);
    }

    #[test]
    fn is_told_what_to_type_and_how_to_stop() {
        typed(
            "",
            "{\"type\": \"stats\"}\n\u{4}",
            "least-connections: type JSON messages, such as {\"type\": \"init\", \"msg_id\": 1, \"backends\": [\"api-1\", \"api-2\"]}; Ctrl-D ends it
{\"type\": \"stats_ok\", \"backends\": {}}",
        );
        typed(
            "a",
            "\u{4}",
            "least-connections: type JSON messages, such as {\"type\": \"http_request\", \"msg_id\": 1}; Ctrl-D ends it",
        );
    }

    #[test]
    fn has_to_say_only_once_that_it_ends_also_in_the_middle_of_a_message() {
        typed(
            "a",
            "{\"type\":\n\u{4}",
            "least-connections: type JSON messages, such as {\"type\": \"http_request\", \"msg_id\": 1}; Ctrl-D ends it
least-connections: line 1: cannot read `{\"type\":`: its closing } is missing where the input ends",
        );
    }
}
