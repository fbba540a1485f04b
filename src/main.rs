//! The program: its arguments, the standard streams, the bound on warnings, and the exit status.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use least_connections::{Node, Warning, quoted, serve};

const USAGE: &str = r#"Usage: least-connections [BACKEND]...

Routes each request to the backend with the fewest active connections. Reads
JSON messages on standard input (< FILE reads a file) and writes JSON replies to
standard output.

  BACKEND        The name of a backend; a tie goes to the first. Without any, an
                 init or the requests themselves name the backends.
  -h, --help     Print this
  -V, --version  Print the version
  --             Take everything after it as a backend

To try it, start least-connections api-1 api-2 and paste:
  {"type": "http_request", "msg_id": 1}
  {"type": "http_request", "msg_id": 2}
  {"type": "http_request", "msg_id": 3, "active_connections": {"api-1": 5}}
  {"type": "request_complete", "msg_id": 4, "backend": "api-1"}
  {"type": "drain", "msg_id": 5, "backend": "api-2"}
  {"type": "resume", "msg_id": 6, "backend": "api-2"}
  {"type": "stats", "msg_id": 7}
Ctrl-D ends it.
"#;

/// The most warnings that are written.
///
/// They all fit into a pipe of 64 KiB, so a caller that never reads them cannot stall the program. (Linux keeps a short
/// line in one page of the pipe, and a page of 4 KiB holds at least seven warnings.)
const MAX_WARNINGS: u64 = 100;

/// The most bytes of a typed line that Linux passes on.
const TERMINAL_LINE: usize = 4095;

/// A parsed command line.
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
            say(format_args!("{error:#}; try --help"));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the replies has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Parses the arguments in order. The first --help, --version or mistake decides.
fn command(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Command> {
    let mut backends = Vec::new();
    let mut named = HashSet::new();
    let mut options = true;
    for argument in arguments {
        let Ok(argument) = argument.into_string() else {
            bail!("backend names must be UTF-8");
        };
        match argument.as_str() {
            "-h" | "--help" if options => return Ok(Command::Help),
            "-V" | "--version" if options => return Ok(Command::Version),
            "--" if options => options = false,
            option if options && option.starts_with('-') => {
                let option = quoted(option);
                bail!("unknown option {option} (a backend of that name goes after --)")
            }
            backend => {
                if !named.insert(argument.clone()) {
                    bail!("backend {} is named twice", quoted(backend));
                }
                backends.push(argument);
            }
        }
    }
    Ok(Command::Serve(backends))
}

/// Serves the standard streams.
fn converse(backends: Vec<String>) -> anyhow::Result<()> {
    let input = io::stdin().lock();
    let terminal = input.is_terminal();
    if terminal {
        say(
            r#"reading messages from the terminal, such as {"type": "http_request", "msg_id": 1} (Ctrl-D ends, --help tells more)"#,
        );
        if let Some(file) = backends.iter().find(|name| Path::new(name).is_file()) {
            let name = quoted(file);
            // As a shell takes it.
            let plain = name == format!("\"{file}\"") && !file.contains(' ');
            let path = if plain { file } else { &name };
            say(format_args!(
                "{name} was taken as a backend's name; to read a file, use < {path}"
            ));
        }
    }
    let mut warnings = 0;
    let mut node = Node::new(backends);
    serve(&mut node, input, io::stdout().lock(), |warning| {
        warnings += 1;
        if warnings <= MAX_WARNINGS {
            warn(warning, terminal);
        } else if warnings == MAX_WARNINGS + 1 {
            say(format_args!(
                "{MAX_WARNINGS} warnings so far; further ones are left out"
            ));
        }
    })?;
    match warnings.saturating_sub(MAX_WARNINGS) {
        0 => {}
        1 => say("1 warning left out"),
        left_out => say(format_args!("{left_out} warnings left out")),
    }
    Ok(())
}

fn warn(warning: &Warning<'_>, terminal: bool) {
    if terminal && warning.is_at_end_of_line(TERMINAL_LINE) {
        say(format_args!(
            "{warning} (a terminal passes {TERMINAL_LINE} bytes a line; read longer ones from a file)"
        ));
    } else {
        say(warning);
    }
}

fn print(page: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let printed = output
        .write_all(page.as_bytes())
        .and_then(|()| output.flush());
    printed.context("cannot write to standard output")
}

/// Writes one line to standard error, in one write. It is dropped if that fails.
fn say(line: impl Display) {
    let line = format!("least-connections: {line}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
