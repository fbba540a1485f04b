//! The loop: reads the next message, writes its reply, and holds nothing back while the program waits.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};

use crate::framing::{Frames, Piece};
use crate::node::Node;
use crate::reply;
use crate::request::{Message, careful, typed};
use crate::warning::{Problem, Warning};

/// The size of the buffers for input and for replies: what a pipe holds.
const BUFFER_SIZE: usize = 64 << 10;

/// Answers the messages on `input` until it ends: writes replies to `output`, and passes warnings to `warn`.
///
/// Replies are written before each warning and before each read of `input`, where the program may have to wait.
///
/// # Errors
///
/// If `input` cannot be read, or `output` cannot be written.
pub fn serve(
    node: &mut Node,
    input: impl Read,
    output: impl Write,
    mut warn: impl FnMut(&Warning<'_>),
) -> anyhow::Result<()> {
    let replies = RefCell::new(BufWriter::with_capacity(BUFFER_SIZE, output));
    let arrived = Cell::new(0);
    let input = FlushFirst {
        input,
        replies: &replies,
        arrived: &arrived,
    };
    let input = BufReader::with_capacity(BUFFER_SIZE, input);
    let mut frames = Frames::new(input, careful::is_envelope);
    while frames.next_line()? {
        if let Some(message) = frames.line().and_then(typed::read) {
            answer(node, &message, arrived.get(), &mut *replies.borrow_mut())?;
            continue;
        }
        while let Some(piece) = frames.next_piece()? {
            let warning = match piece {
                Piece::Object { line, json } => match careful::read(json) {
                    Ok(message) => {
                        answer(node, &message, arrived.get(), &mut *replies.borrow_mut())?;
                        continue;
                    }
                    Err(why) => {
                        Warning::of_message(Problem::Unanswerable(why), line, json.as_bytes())
                    }
                },
                Piece::Unreadable(warning) => warning,
            };
            replies.borrow_mut().flush().context(WRITE_FAILED)?;
            warn(&warning);
        }
    }
    replies.borrow_mut().flush().context(WRITE_FAILED)
}

const WRITE_FAILED: &str = "cannot write replies";

fn answer<S: AsRef<str>>(
    node: &mut Node,
    message: &Message<'_, S>,
    now: u64,
    replies: &mut impl Write,
) -> anyhow::Result<()> {
    let response = match &message.request {
        Ok(request) => node.answer(request, now),
        Err(refusal) => Err(refusal.clone()),
    };
    let address = message.address.as_ref();
    reply::write(replies, address, message.msg_id, &response).context(WRITE_FAILED)
}

/// The input. Before each read, where the program may have to wait, it writes the replies collected so far. After each
/// read, it notes the time, once for all requests that have arrived together.
///
/// `borrow_mut` cannot panic here: nothing is read while a reply is written.
struct FlushFirst<'a, R, W: Write> {
    input: R,
    replies: &'a RefCell<BufWriter<W>>,
    /// The time after the last read.
    arrived: &'a Cell<u64>,
}

impl<R: Read, W: Write> Read for FlushFirst<'_, R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let flushed = self.replies.borrow_mut().flush();
        flushed.map_err(|error| with_context(error, WRITE_FAILED))?;
        let read = self.input.read(into);
        self.arrived.set(now());
        read.map_err(|error| with_context(error, "cannot read standard input"))
    }
}

/// Milliseconds since the Unix epoch, or 0 if the clock is set to an earlier time.
fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since_epoch.unwrap_or_default().as_millis();
    u64::try_from(milliseconds).unwrap_or(u64::MAX)
}

fn with_context(error: io::Error, context: &'static str) -> io::Error {
    io::Error::new(error.kind(), anyhow!(error).context(context))
}
