//! The README's commands and conversations, so that they cannot drift from what the program does.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{assert_replies, run};

const README: &str = include_str!("../../README.md");

/// The fenced blocks: what is after the opening fence of each, and its lines.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((info, inside.flat_map(|line| [line, "\n"]).collect()));
        }
    }
    blocks
}

#[test]
fn every_request_gets_the_reply_that_is_after_it() {
    let blocks = blocks();
    let mut conversations = 0;
    for pair in blocks.windows(2) {
        if let [(request, input), ("json reply", replies)] = pair {
            let arguments = request
                .strip_prefix("json request")
                .expect("a request is before it");
            let arguments: Vec<_> = arguments.split_whitespace().collect();
            assert_replies(&arguments, input, replies);
            conversations += 1;
        }
    }
    assert!(conversations >= 1);
}

#[cfg(unix)]
mod in_a_shell {
    use std::process::Command;

    use super::*;
    use crate::support::{PROGRAM, assert_lines, run_command};

    /// What a command prints in the project's folder, where the built program is the installed one.
    fn shell(command: &str, input: &str) -> String {
        let folder = Path::new(PROGRAM).parent().expect("it is in a folder");
        let path = format!(
            "{}:{}",
            folder.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let command = command.replace("cargo run --release", "least-connections");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &command])
            .env("PATH", path)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        run_command(&mut shell, input).replies
    }

    #[test]
    fn every_command_prints_what_is_after_it() {
        let blocks = blocks();
        assert_lines(&shell(&blocks[0].1, ""), &blocks[1].1, "first command");
        let consoles = blocks.iter().filter(|(info, _)| *info == "console");
        let examples: Vec<_> = consoles
            .flat_map(|(_, text)| text.split("$ ").skip(1))
            .collect();
        assert!(!examples.is_empty());
        for example in examples {
            let (command, printed) = example.split_once('\n').expect("a command is a line");
            assert_lines(&shell(command, ""), printed, command);
        }
    }

    /// If this machine has Python.
    #[test]
    fn every_python_example_runs() {
        if shell("python3 --version", "").is_empty() {
            return;
        }
        let python = blocks().into_iter().filter(|(info, _)| *info == "python");
        let python: Vec<_> = python.map(|(_, text)| text).collect();
        // The first is the course's main.py, beside a copy of the program.
        let folder = env!("CARGO_TARGET_TMPDIR");
        let main = format!(
            "cp '{PROGRAM}' '{folder}' && cat > '{folder}/main.py' && python3 '{folder}/main.py' < tests/samples/tie.json"
        );
        assert_eq!(
            shell(&main, &python[0]),
            include_str!("../samples/tie.expected.jsonl")
        );
        assert_eq!(shell("python3", &python[1]), "a\n");
    }
}

/// What is between two pieces of a text.
fn part<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).expect(begin);
    rest.split_once(end).expect(end).0
}

/// What is added to one of these and forgotten in another makes this fail: the `match` on the type, the list of types in an
/// error, the types of replies, the keys of a body, the check of their types, and the README's table.
#[test]
fn every_type_and_field_is_known_everywhere() {
    let rows = part(README, "| `type` |", "\n\n").lines();
    let cells = |column| {
        rows.clone()
            .filter_map(move |row| row.split('|').nth(column))
    };
    let words = |column| cells(column).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let in_table: BTreeSet<_> = words(1).collect();

    let arms = include_str!("../../src/node.rs")
        .lines()
        .filter(|line| line.trim().starts_with('"'));
    let in_match: BTreeSet<_> = arms.filter_map(|arm| arm.split('"').nth(1)).collect();
    let error = run(&[], r#"{"type": "?"}"#).replies.replace(" and ", ", ");
    let in_error: BTreeSet<_> = part(&error, "ones are ", "\"}").split(", ").collect();
    assert_eq!((&in_table, &in_error), (&in_match, &in_match));

    let replies = words(3).filter(|word| word.ends_with("_ok") || *word == "http_response");
    for (kind, reply) in words(1).zip(replies) {
        let message = format!(r#"{{"type": "{kind}", "backend": "a", "echo": 1}}"#);
        let replies = run(&["a"], [r#"{"type": "http_request"}"#, &message].concat()).replies;
        let last = replies.lines().last().expect("there is one");
        assert!(
            last.starts_with(&format!(r#"{{"type": "{reply}""#)),
            "{last}"
        );
    }

    let body = part(
        include_str!("../../src/message.rs"),
        "pub struct Body<'a> {",
        "\n}",
    )
    .lines();
    let keys = body.filter_map(|line| line.trim().trim_start_matches("pub ").split_once(": "));
    let mut keys: BTreeSet<_> = keys.map(|(key, _)| key).collect();
    // These are in no row, or may have any value.
    for other in ["kind", "msg_id", "in_reply_to", "echo"] {
        assert!(keys.remove(other), "{other}");
    }
    let fields = words(2).filter(|field| !["\"least-connections\"", "echo"].contains(field));
    assert_eq!(keys, fields.collect());
    for key in keys {
        let reply = run(&[], format!(r#"{{"type": "stats", "{key}": [{{}}]}}"#)).replies;
        let text = format!(r#""code": 12, "text": "{key} must"#);
        assert!(reply.contains(&text), "{reply}");
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let words = README.split(|c: char| c.is_whitespace() || "`()<".contains(c));
    let paths = words.filter(|word| word.starts_with("tests/") || word.starts_with(".ci/"));
    let paths: Vec<_> = paths
        .map(|path| path.trim_end_matches(['.', ',', ':', ';']))
        .collect();
    assert!(!paths.is_empty());
    for path in paths {
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(),
            "{path}"
        );
    }
}
