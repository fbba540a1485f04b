//! The program: its arguments, the standard streams, and the exit status.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use least_connections::{Node, serve};

const USAGE: &str = r#"Usage: least-connections [BACKEND]...

Routes each request to the backend with the fewest active connections. Reads
JSON messages on standard input (< FILE reads a file) and writes JSON replies to
standard output.

  BACKEND        The name of a backend; a tie goes to the first. Without any, an
                 init, an add or a request's active_connections names them.
  -h, --help     Print this
  -V, --version  Print the version
  --             Take everything after it as a backend

To try it, start least-connections api-1 api-2 and paste:
  {"type": "http_request", "msg_id": 1}
  {"type": "http_request", "msg_id": 2}
  {"type": "http_request", "msg_id": 3, "active_connections": {"api-1": 5}}
  {"type": "request_complete", "msg_id": 4, "backend": "api-1"}
  {"type": "drain", "msg_id": 5, "backend": "api-2"}
  {"type": "stats", "msg_id": 6}
"#;

const VERSION: &str = concat!("least-connections ", env!("CARGO_PKG_VERSION"), "\n");

/// How to end the input at a terminal.
const END: &str = if cfg!(windows) {
    "Ctrl-Z and Enter end"
} else {
    "Ctrl-D ends"
};

/// What the arguments ask for.
enum Command {
    Print(String),
    /// With an example of a message that it can answer.
    Serve(Node, &'static str),
}

fn main() -> ExitCode {
    let result = match command(std::env::args_os().skip(1)) {
        Ok(Command::Print(page)) => print(&page),
        Ok(Command::Serve(node, example)) => converse(node, example),
        Err(error) => {
            say(format_args!("{error}; try --help"));
            return ExitCode::from(2);
        }
    };
    match result {
        Err(error) if error.downcast_ref().map(io::Error::kind) != Some(ErrorKind::BrokenPipe) => {
            say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
        // A closed output is no failure: its reader has read enough.
        _ => ExitCode::SUCCESS,
    }
}

/// Parses the arguments in order. The first that asks for a page, or is wrong, decides. (Names are checked last.)
fn command(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Command> {
    let mut backends = Vec::new();
    let mut options = true;
    for argument in arguments {
        let Ok(argument) = argument.into_string() else {
            bail!("backend names must be UTF-8");
        };
        match argument.as_str() {
            "-h" | "--help" if options => return Ok(Command::Print(format!("{USAGE}{END} it.\n"))),
            "-V" | "--version" if options => return Ok(Command::Print(VERSION.to_owned())),
            "--" if options => options = false,
            option if options && option.starts_with('-') => {
                bail!("unknown option {option:?} (a backend of that name goes after --)")
            }
            _ => backends.push(argument),
        }
    }
    let example = match &backends[..] {
        [] => r#"{"type": "http_request", "msg_id": 1, "active_connections": {"a": 1, "b": 0}}"#,
        _ => r#"{"type": "http_request", "msg_id": 1}"#,
    };
    Ok(Command::Serve(Node::new(backends)?, example))
}

/// Serves the standard streams.
fn converse(mut node: Node, example: &str) -> anyhow::Result<()> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        say(format_args!(
            "reading messages from the terminal, such as {example} ({END}, --help shows more)"
        ));
    }
    Ok(serve(&mut node, input, io::stdout().lock())?)
}

fn print(page: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let printed = write!(output, "{page}").and_then(|()| output.flush());
    printed.context("cannot write output")
}

/// Writes one line to standard error, in one write. It is dropped if that fails.
fn say(line: impl Display) {
    let line = format!("least-connections: {line}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
