//! The loop: the next message in, its reply out, and nothing held back while the program waits.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, BufReader, BufWriter, Read, Write};

use anyhow::{Context, anyhow};

use crate::error::excerpt;
use crate::framing::{Frames, Piece};
use crate::node::Node;
use crate::reply;
use crate::request::{Message, is_envelope};

/// How much is read, and how much is gathered to be written, at once: what a pipe holds.
const PIECE: usize = 64 << 10;

/// Answers the messages on `input` until it ends: replies go to `output`, and what gets no reply is remarked upon on
/// `remarks`.
///
/// Every reply is written out before the next read of `input`, which is where the program may have to wait, and
/// before every remark.
///
/// # Errors
///
/// Where `input` cannot be read, or `output` not be written. A remark that cannot be written is dropped.
pub fn serve(
    node: &mut Node,
    input: impl Read,
    output: impl Write,
    remarks: impl Write,
) -> anyhow::Result<()> {
    let replies = RefCell::new(BufWriter::with_capacity(PIECE, output));
    let input = FlushFirst {
        input,
        replies: &replies,
    };
    let mut frames = Frames::new(BufReader::with_capacity(PIECE, input), is_envelope);
    let mut conversation = Conversation {
        node,
        replies: &replies,
        remarks,
    };
    while frames.next_line()? {
        if let Some(Ok(message)) = frames.line().map(Message::read) {
            conversation.answer(&message)?;
            continue;
        }
        while let Some(piece) = frames.next_piece()? {
            match piece {
                Piece::Object { line, text } => match Message::read(text) {
                    Ok(message) => conversation.answer(&message)?,
                    Err(why) => conversation.remark(line, "no answer to", text.as_bytes(), why)?,
                },
                Piece::Unreadable { line, text, why } => {
                    conversation.remark(line, "cannot read", text, why)?;
                }
            }
        }
    }
    conversation.flush()
}

/// The input, read only when all replies have been written out: the one place where the program waits. (The replies
/// cannot be borrowed already then, as nothing is read while one is being written.)
struct FlushFirst<'a, R, W: Write> {
    input: R,
    replies: &'a RefCell<BufWriter<W>>,
}

impl<R: Read, W: Write> Read for FlushFirst<'_, R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.replies
            .borrow_mut()
            .flush()
            .map_err(|error| in_context(error, WRITE_FAILED))?;
        self.input
            .read(into)
            .map_err(|error| in_context(error, "cannot read standard input"))
    }
}

const WRITE_FAILED: &str = "cannot write replies";

fn in_context(error: io::Error, context: &'static str) -> io::Error {
    io::Error::new(error.kind(), anyhow!(error).context(context))
}

/// The two ways in which the node speaks.
struct Conversation<'a, W: Write, E> {
    node: &'a mut Node,
    replies: &'a RefCell<BufWriter<W>>,
    remarks: E,
}

impl<W: Write, E: Write> Conversation<'_, W, E> {
    fn answer(&mut self, message: &Message<'_>) -> anyhow::Result<()> {
        let answer = match &message.request {
            Ok(request) => self.node.answer(request),
            Err(refusal) => Err(refusal.clone()),
        };
        let mut to = self.replies.borrow_mut();
        let address = message.address.as_ref();
        reply::write(&mut *to, address, message.msg_id, &answer).context(WRITE_FAILED)
    }

    /// Says what becomes of a text that gets no reply, and why.
    fn remark(
        &mut self,
        line: u64,
        what: &str,
        text: &[u8],
        why: impl Display,
    ) -> anyhow::Result<()> {
        self.flush()?;
        let text = excerpt(text);
        let remark = format!("least-connections: line {line}: {what} `{text}`: {why}\n");
        // In one piece, so that nobody else's line gets in between; and dropped if nobody can read it.
        let _ = self.remarks.write_all(remark.as_bytes());
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.replies.borrow_mut().flush().context(WRITE_FAILED)
    }
}
