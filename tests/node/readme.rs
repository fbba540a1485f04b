//! The README's commands and conversations, so that they cannot drift from what the program does.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

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
    let mut conversations = 0;
    for pair in blocks().windows(2) {
        if let [(request, input), ("json reply", replies)] = pair {
            let arguments = request.strip_prefix("json request");
            let arguments = arguments.expect("a request is before it");
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
        let others = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{others}", folder.display());
        let command = command.replace("cargo run --release", "least-connections");
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &command]).env("PATH", path);
        run_command(shell.current_dir(env!("CARGO_MANIFEST_DIR")), input).replies
    }

    #[test]
    fn every_command_prints_what_is_after_it() {
        let blocks = blocks();
        assert_lines(&shell(&blocks[0].1, ""), &blocks[1].1, "first command");
        let consoles = blocks.iter().filter(|(info, _)| *info == "console");
        let examples = consoles.flat_map(|(_, text)| text.split("$ ").skip(1));
        let examples: Vec<_> = examples.collect();
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
        // The first is the course's main.py.
        let main = concat!(env!("CARGO_TARGET_TMPDIR"), "/main.py");
        let command = format!("cat > '{main}' && python3 '{main}' < tests/samples/tie.json");
        let replies = include_str!("../samples/tie.expected.jsonl");
        assert_lines(&shell(&command, &python[0]), replies, "main.py");
        assert_eq!(shell("python3", &python[1]), "a\n");
    }
}

/// All keys in some JSON.
fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        keys.insert(key.clone());
        collect_keys(value, keys);
    }
}

/// In the table of messages, each row has types, their fields, and the replies with their fields, all in backticks.
#[test]
fn the_table_of_messages_says_what_the_program_answers() {
    let words = |cell: &'static str| cell.split('`').skip(1).step_by(2);
    let mut types = Vec::new();
    let (_, rows) = README.split_once("\n| `type` |").expect("there is a table");
    let rows = rows.lines().skip(2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').collect();
        let kinds: Vec<_> = words(cells[1]).collect();
        let replies: Vec<_> = words(cells[3]).collect();
        let (replies, documented) = replies.split_at_checked(kinds.len()).expect(row);
        for (kind, reply) in kinds.iter().zip(replies) {
            let others = ["\"least-connections\"", "echo"];
            for field in words(cells[2]).filter(|field| !others.contains(field)) {
                let wrong = format!(r#"{{"type": "{kind}", "{field}": [{{}}]}}"#);
                let error = format!(r#"{{"type": "error", "code": 12, "text": "{field} must…"}}"#);
                assert_replies(&[], wrong, &(error + "\n"));
            }
            let backend = if *kind == "add" { "new" } else { "a" };
            let message = format!(r#"{{"type": "{kind}", "backend": "{backend}", "echo": 1}}"#);
            let output = run(&["a"], [r#"{"type": "http_request"}"#, &message].concat());
            assert_eq!((&*output.errors, output.status), ("", Some(0)), "{kind}");
            let last = output.replies.lines().last().expect("there is one");
            let begin = format!(r#"{{"type": "{reply}""#);
            assert!(last.starts_with(&begin), "{last} and not {reply}");
            let mut keys = BTreeSet::new();
            collect_keys(&serde_json::from_str(last).expect(last), &mut keys);
            keys.retain(|key| !["type", "a", "new"].contains(&&**key));
            let documented = documented.iter().map(|key| (*key).to_owned());
            assert_eq!(keys, documented.collect(), "{row}");
        }
        types.extend(kinds);
    }
    let known = format!("the known ones are {}", types.join(", "));
    let error = format!(r#"{{"type": "error", "code": 10, "text": "…{known}"}}"#);
    assert_replies(&[], r#"{"type": "?"}"#, &(error + "\n"));
}

#[test]
fn every_file_that_is_named_exists() {
    let words = README.split(|c: char| c.is_whitespace() || "`()<".contains(c));
    let paths = words.filter(|word| word.starts_with("tests/") || word.starts_with(".ci/"));
    let paths = paths.map(|path| path.trim_end_matches(['.', ',', ':', ';']));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (there, missing): (Vec<_>, Vec<_>) = paths.partition(|path| folder.join(path).exists());
    assert!(!there.is_empty() && missing.is_empty(), "{missing:?}");
}
