//! The README's conversations, so that they cannot drift from what the program says.

use std::process::Command;

use crate::support::{PROGRAM, assert_lines, run, without_times};

const README: &str = include_str!("../../README.md");

/// A fenced block: what stands behind its opening fence, and its lines.
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

#[test]
fn every_request_in_the_readme_gets_the_reply_that_stands_there() {
    let blocks = blocks();
    let mut run_blocks = 0;
    for (index, request) in blocks.iter().enumerate() {
        let Some(arguments) = request.info.strip_prefix("json request") else {
            continue;
        };
        let reply = &blocks[index + 1];
        assert_eq!(
            reply.info, "json reply",
            "behind the request\n{}",
            request.text
        );
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        let said = run(&arguments, &request.text);
        assert_lines(
            &without_times(&said.replies),
            &without_times(&reply.text),
            &request.text,
        );
        assert_eq!(said.remarks, "", "{}", request.text);
        run_blocks += 1;
    }
    let replies = blocks
        .iter()
        .filter(|block| block.info == "json reply")
        .count();
    assert_eq!(run_blocks, replies, "each reply has its request");
    assert!(run_blocks >= 8, "only {run_blocks} conversations are left");
}

/// What a command of the README prints, with the built program in place of the installed one.
fn shell(command: &str) -> String {
    let command = command
        .replace("cargo run --release", "least-connections")
        .replace("least-connections ", &format!("'{PROGRAM}' "));
    let command = command
        .strip_suffix("least-connections")
        .map_or(command.clone(), |rest| format!("{rest}'{PROGRAM}'"));
    let output = Command::new("sh")
        .args(["-c", &format!("{command} 2>&1")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("there is a shell");
    String::from_utf8(output.stdout).expect("all that it says is UTF-8")
}

#[test]
fn every_command_in_the_readmes_shell_prints_what_stands_there() {
    let mut commands = 0;
    for block in blocks().iter().filter(|block| block.info == "console") {
        for example in block.text.split("$ ").filter(|example| !example.is_empty()) {
            let (command, printed) = example.split_once('\n').expect("a command is a line");
            assert_lines(
                &without_times(&shell(command)),
                &without_times(printed),
                command,
            );
            commands += 1;
        }
    }
    assert!(commands >= 6, "only {commands} commands are left");
}

#[test]
fn the_first_command_of_the_readme_prints_what_stands_behind_it() {
    let blocks = blocks();
    let command = blocks[0].text.trim_end();
    assert!(command.starts_with("cargo run"), "{command}");
    assert_lines(&shell(command), &blocks[1].text, command);
}
