//! The README's commands and conversations, so that they cannot drift from what the program does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{PROGRAM, assert_lines, assert_replies, run};

const README: &str = include_str!("../../README.md");

/// A fenced block: what is after its opening fence, and its lines.
struct Block {
    info: &'static str,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.flat_map(|line| [line, "\n"]).collect();
            blocks.push(Block { info, text });
        }
    }
    blocks
}

/// A command in the project's folder, with the built program as the installed one.
fn in_project(program: &str) -> Command {
    let folder = Path::new(PROGRAM).parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .env("PATH", format!("{}:{path}", folder.display()))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn shell(command: &str) -> String {
    let command = command.replace("cargo run --release", "least-connections");
    let output = in_project("sh")
        .args(["-c", &format!("{command} 2>&1")])
        .output();
    String::from_utf8(output.expect("there is a shell").stdout).expect("it is UTF-8")
}

#[test]
fn the_first_command_prints_what_is_after_it() {
    let blocks = blocks();
    let command = blocks[0].text.trim_end();
    assert!(command.starts_with("cargo run"), "{command}");
    assert_lines(&shell(command), &blocks[1].text, command);
}

#[test]
fn every_request_gets_the_reply_that_is_after_it() {
    let blocks = blocks();
    let mut conversations = 0;
    for (index, request) in blocks.iter().enumerate() {
        let Some(arguments) = request.info.strip_prefix("json request") else {
            continue;
        };
        let reply = &blocks[index + 1];
        assert_eq!(reply.info, "json reply", "after\n{}", request.text);
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        assert_replies(&arguments, &request.text, &reply.text);
        conversations += 1;
    }
    assert!(conversations >= 1);
}

#[test]
fn every_command_in_a_console_prints_what_is_after_it() {
    let mut commands = 0;
    for block in blocks().iter().filter(|block| block.info == "console") {
        for example in block.text.split("$ ").filter(|example| !example.is_empty()) {
            let (command, printed) = example.split_once('\n').expect("a command is a line");
            assert_lines(&shell(command), printed, command);
            commands += 1;
        }
    }
    assert!(commands >= 1, "only {commands} commands are left");
}

/// What is between two pieces of a text.
fn part<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).expect(begin);
    rest.split_once(end).expect(end).0
}

/// What is added to one of these and forgotten in another makes this fail: the `match` on the type, the list of types in an
/// error, the keys of a body, the check of their types, and the README's table.
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
        let reply = run(&[], format!(r#"{{"type": "stats", "{key}": 5}}"#)).replies;
        let text = format!(r#""code": 12, "text": "{key} must"#);
        assert!(reply.contains(&text), "{reply}");
    }
}

#[test]
fn every_sample_and_script_that_is_named_exists() {
    let words = README.split(|c: char| c.is_whitespace() || "`()<".contains(c));
    let paths = words.filter(|word| word.starts_with("tests/") || word.starts_with(".ci/"));
    for path in paths {
        let path = path.trim_end_matches(['.', ',', ':', ';']);
        let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
        assert!(exists, "{path}");
    }
}

/// Runs the README's Python, if this machine has it.
#[test]
fn every_python_example_runs() {
    if Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let blocks = blocks();
    let python: Vec<_> = blocks
        .iter()
        .filter(|block| block.info == "python")
        .collect();
    let [main, ask] = python[..] else {
        panic!("there are two examples");
    };
    let mut command = in_project("python3");
    let output = command.args(["-c", &ask.text]).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\n");
    // The first is the course's main.py, next to a copy of the program.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::copy(PROGRAM, folder.join("least-connections")).expect("there is room");
    fs::write(folder.join("main.py"), &main.text).expect("there is room");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/tie.json");
    let mut command = Command::new("python3");
    command.arg(folder.join("main.py"));
    command.stdin(fs::File::open(sample).expect("the sample is there"));
    let output = command.output().expect("it starts");
    let expected = include_str!("../samples/tie.expected.jsonl");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}
