//! The program: its arguments, the standard streams, and the exit status. All else is in the library.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use least_connections::{Node, serve};

const USAGE: &str = r#"Usage: least-connections [BACKEND]...

Routes each request to the backend with the fewest active connections. Reads
JSON messages on standard input (< FILE reads a file), writes JSON replies on
standard output.

  BACKEND        The name of a backend; their order decides a tie. Where none is
                 named here, an init or the requests themselves name them.
  -h, --help     Print this
  -V, --version  Print the version
  --             What follows is a backend, whatever it looks like

To try it, start least-connections api-1 api-2 and paste:
  {"type": "http_request", "msg_id": 1}
  {"type": "http_request", "msg_id": 2}
  {"type": "http_request", "msg_id": 3, "active_connections": {"api-1": 5}}
  {"type": "request_complete", "msg_id": 4, "backend": "api-1"}
  {"type": "stats", "msg_id": 5}
  {"src": "c1", "dest": "lb", "body": {"type": "echo", "msg_id": 6, "echo": 7}}
Ctrl-D ends it.
"#;

/// What the arguments ask for.
enum Command {
    Help,
    Version,
    Serve(Vec<String>),
}

fn main() -> ExitCode {
    let result = match command(std::env::args_os().skip(1)) {
        Ok(Command::Help) => print(USAGE),
        Ok(Command::Version) => print(concat!(
            "least-connections ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )),
        Ok(Command::Serve(backends)) => converse(backends),
        Err(error) => {
            remark(&format!("{error:#}; try --help"));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the replies has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            remark(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Takes the arguments in their order: the first that settles the matter does.
fn command(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Command> {
    let mut backends = Vec::new();
    let mut named = HashSet::new();
    let mut options = true;
    for argument in arguments {
        let Ok(argument) = argument.into_string() else {
            bail!("an argument is not UTF-8, and the name of a backend must be");
        };
        match argument.as_str() {
            "-h" | "--help" if options => return Ok(Command::Help),
            "-V" | "--version" if options => return Ok(Command::Version),
            "--" if options => options = false,
            option if options && option.starts_with('-') => {
                bail!("unknown option {option:?}; a backend of that name goes after --")
            }
            backend => {
                if !named.insert(argument.clone()) {
                    bail!("backend {backend:?} is named twice");
                }
                backends.push(argument);
            }
        }
    }
    Ok(Command::Serve(backends))
}

fn converse(backends: Vec<String>) -> anyhow::Result<()> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        let example = if backends.is_empty() {
            r#"{"type": "init", "msg_id": 1, "backends": ["api-1", "api-2"]}"#
        } else {
            r#"{"type": "http_request", "msg_id": 1}"#
        };
        remark(&format!(
            "type JSON messages, such as {example}; Ctrl-D ends it"
        ));
    }
    let mut node = Node::new(backends);
    serve(&mut node, input, io::stdout().lock(), io::stderr().lock())
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let printed = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    printed.context("cannot write to standard output")
}

/// Says one line to a person, if there is anybody to read it.
fn remark(text: &str) {
    let _ = io::stderr().write_all(format!("least-connections: {text}\n").as_bytes());
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
