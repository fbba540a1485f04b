//! A node that decides which backend gets the next request: the one with the fewest active connections.
//!
//! It reads JSON messages in the envelope of [Maelstrom](https://github.com/jepsen-io/maelstrom), or bare bodies, and
//! writes one JSON reply per line. The README has the messages; this page has the exact rules of reading.
//!
//! The program `least-connections` is [`serve`] between the standard streams. A conversation in memory:
//!
//! ```
//! use least_connections::{Node, serve};
//!
//! let input = r#"
//! {"src": "c1", "dest": "lb", "body": {"type": "http_request", "msg_id": 1, "active_connections": {"a": 5}}}
//! {"type": "drain", "msg_id": 2, "backend": "b"}
//! hello
//! "#;
//! let (mut replies, mut warnings) = (Vec::new(), Vec::new());
//! let mut node = Node::new(vec!["a".to_owned(), "b".to_owned()]);
//! serve(&mut node, input.as_bytes(), &mut replies, |warning| warnings.push(warning.to_string()))?;
//!
//! assert_eq!(
//!     String::from_utf8(replies)?,
//!     r#"{"src": "lb", "dest": "c1", "body": {"type": "http_response", "in_reply_to": 1, "backend": "b"}}
//! {"type": "drain_ok", "in_reply_to": 2, "backend": "b", "active_connections": {"a": 5, "b": 1}}
//! "#
//! );
//! assert_eq!(
//!     warnings,
//!     ["line 4: not a JSON object, which starts with { (skipping to the next one): `hello`"]
//! );
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! # What a message is
//!
//! A message is one JSON object. It is answered when its last line has ended.
//!
//! - It may span several lines, with blank lines in it, and a line may hold several objects.
//! - Blank lines between messages, CRLF line ends, a UTF-8 byte order mark at the start and a last line without a line
//!   break are fine.
//! - A line has at most 16 MiB without its line break, and so has a message from its first byte to its last. Nesting has
//!   no other limit.
//!
//! # What happens to bad input
//!
//! - A mistake drops its message and the rest of its line, with one warning. If the message began on an earlier line, the
//!   mistake's line is read again, as the start of a new message. The same mistake gets no second warning.
//! - Then lines are skipped without a warning until one begins with `{`, white space aside.
//! - A whole envelope on a line of its own (an object with strings for `src` and `dest`, and a `body`) shows that an
//!   unfinished message was cut off. So an envelope on a line of its own inside an `echo` is taken for a message.
//!   Anything else that fits into an unfinished message is a part of it, including a bare body.
//! - Objects on one line are read up to the first thing that is not one. The rest is dropped, with a warning.
//! - What is longer than 16 MiB is dropped up to the end of the line on which it becomes too long.
//!
//! ```
//! # use least_connections::{Node, serve};
//! # let (mut replies, mut warnings) = (Vec::new(), Vec::new());
//! let input = r#"
//! {"type": "echo",
//!   msg_id: 1,
//!   "echo": "a mistake on line 3"
//! }
//! {"type": "echo", "echo": [1,
//! {"src": "c", "dest": "n", "body": {"type": "echo", "echo": 2}}
//! {"type": "echo", "echo": 3} and more
//! "#;
//! # let mut node = Node::new(Vec::new());
//! # serve(&mut node, input.as_bytes(), &mut replies, |warning| warnings.push(warning.to_string()))?;
//! # assert_eq!(String::from_utf8(replies)?,
//! # r#"{"src": "n", "dest": "c", "body": {"type": "echo_ok", "echo": 2}}
//! # {"type": "echo_ok", "echo": 3}
//! # "#);
//! assert_eq!(
//!     warnings,
//!     [
//!         "line 3, column 3, in the message from line 2: keys need double quotes: `msg_id: 1,`",
//!         "line 6: unfinished message, a new one starts on line 7: `{\"type\": \"echo\", \"echo\": [1,`",
//!         "line 8, column 29: not a JSON object, which starts with { (skipping to the next one): `and more`",
//!     ]
//! );
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! # Edges
//!
//! - An envelope with a repeated `body` gets error 12 without `in_reply_to`. An object with a repeated `src` or `dest` has
//!   no address and gets a warning. A body with a repeated `in_reply_to` is taken for a reply.
//! - `-0`, `1.0` and `1e0` are refused as counts and as a `msg_id`.
//! - Half of a surrogate pair, such as `"\ud800"`, is JSON but not Unicode. It is refused where a string is used, and
//!   ignored or echoed elsewhere.
//! - An echo has a space for each line break: `\n`, `\r\n`, or a lone `\r`, which some readers take for one.
//! - `last_used` is when the request arrived: requests that are read at once have the same. It is 0 if the clock is set to
//!   a time before 1970.
//!
//! # The way of a message
//!
//! Data goes one way, from left to right: bytes, object, `Request`, `LeastConnections`, `Response`, bytes.
//!
//! | module | its one job |
//! | --- | --- |
//! | `server` | the loop: reads the next message, writes its reply |
//! | `framing` | splits the input into JSON objects, and resynchronizes |
//! | `request` | reads an object: the address for the reply, and what is asked for |
//! | `node` | answers one request |
//! | `least_connections` | the balancer: an ordered list of backends and their counters |
//! | `reply` | writes the reply |
//! | `error` | the reasons to refuse a request |
//! | `warning` | the reasons to leave input unanswered |
//!
//! They are private: `cargo doc --document-private-items` shows them.
// No input may make the program panic. Each `#[expect]` says why it cannot.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod error;
mod framing;
mod least_connections;
mod node;
mod reply;
mod request;
mod server;
mod warning;

pub use error::quoted;
pub use node::Node;
pub use server::serve;
pub use warning::Warning;
