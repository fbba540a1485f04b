//! The loop: reads messages, writes replies, and holds nothing back while it waits.

use std::io::{BufReader, Read, Write};

use anyhow::Context;

use crate::input::Messages;
use crate::node::Node;
use crate::reply;

/// The size of the buffers: what a pipe holds.
const BUFFER_SIZE: usize = 64 << 10;

/// Answers the messages on `input` until it ends: writes replies to `output`, and passes warnings to `warn`.
///
/// # Errors
///
/// If `input` cannot be read, or `output` cannot be written.
pub fn serve(
    node: &mut Node,
    input: impl Read,
    mut output: impl Write,
    mut warn: impl FnMut(&str),
) -> anyhow::Result<()> {
    let mut input = BufReader::with_capacity(BUFFER_SIZE, input);
    let mut messages = Messages::default();
    let mut replies = Vec::new();
    let mut flush = |replies: &mut Vec<u8>| {
        let written = output.write_all(replies).and_then(|()| output.flush());
        replies.clear();
        written.context("cannot write replies")
    };
    while !messages.is_at_end {
        // While this waits for a line, its sender may be waiting for a reply.
        messages.read_line(&mut input, || flush(&mut replies))?;
        while let Some(found) = messages.next() {
            match found {
                Ok(message) => reply::write(&mut replies, &message, node.answer(&message)),
                Err(warning) => {
                    flush(&mut replies)?;
                    warn(&warning);
                }
            }
            if replies.len() >= BUFFER_SIZE {
                flush(&mut replies)?;
            }
        }
    }
    flush(&mut replies)
}
