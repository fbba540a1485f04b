//! The loop: reads lines, answers the messages in them, writes the replies.

use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Read, Write};

use crate::lines::Lines;
use crate::message::Message;
use crate::node::Node;
use crate::reader::Reader;
use crate::reply;

/// The size of the buffers: what a pipe holds.
const BUFFER_SIZE: usize = 64 << 10;

/// Answers the messages on `input` until it ends. Writes the replies to `output`, flushed before each read. Fails if
/// reading or writing fails: the error says which, and keeps the kind of its cause.
pub fn serve(node: &mut Node, input: impl Read, output: impl Write) -> io::Result<()> {
    let output = &RefCell::new(BufWriter::with_capacity(BUFFER_SIZE, output));
    let input = Flushing { input, output };
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER_SIZE, input));
    let mut reply = Vec::new();
    let mut reader = Reader::new(|message: Message| {
        let fields = &message.fields;
        let answer = message.kind.and_then(|kind| node.answer(&kind.0, fields));
        reply.clear();
        reply::write(&mut reply, &message.address, message.msg_id, answer);
        let written = reply::write_on_one_line(&mut *output.borrow_mut(), &reply);
        written.map_err(failed("cannot write output"))
    });
    while let Some(line) = lines.read()? {
        reader.read(&line)?;
    }
    reader.end()?;
    let flushed = output.borrow_mut().flush();
    flushed.map_err(failed("cannot write output"))
}

/// An input that flushes the replies before each read: its sender may be waiting for them.
struct Flushing<'a, R, W: Write> {
    input: R,
    output: &'a RefCell<BufWriter<W>>,
}

impl<R: Read, W: Write> Read for Flushing<'_, R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let flushed = self.output.borrow_mut().flush();
        flushed.map_err(failed("cannot write output"))?;
        let read = self.input.read(into);
        read.map_err(failed("cannot read the input"))
    }
}

/// Adds what failed to an error.
fn failed(what: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}
