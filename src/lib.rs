//! A node that decides which backend gets the next request: the one with the fewest active connections.
//!
//! It reads JSON messages in the envelope of [Maelstrom](https://github.com/jepsen-io/maelstrom), or bare bodies, and
//! writes one JSON reply a line. The README has the messages; this page has the exact rules of reading.
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
//! - A line may have 16 MiB, not counting its line break, and so may a message, from its first byte to its last. Both may
//!   be nested as deeply as fits.
//!
//! # What happens to bad input
//!
//! - Input that no further line could turn into a message is dropped at the end of the line that makes this certain,
//!   with one warning. If it began on an earlier line, that last line is read again, as the start of something new. It
//!   gets no second warning for the same place.
//! - Then lines are skipped without a warning until one begins with `{`, white space aside.
//! - A whole envelope on a line of its own (an object with strings for `src` and `dest`, and a `body`) shows that an
//!   unfinished message was cut off. So an envelope on a line of its own inside an `echo` is taken for a message.
//!   Anything else that fits into an unfinished message is a part of it, also a bare body.
//! - After an object, anything else on its line that is not an object is dropped, up to the line break.
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
//! - A `body` that is there twice gets error 12 without `in_reply_to`. An object with `src` or `dest` twice has no
//!   address and gets a warning. A body with `in_reply_to` twice is a reply.
//! - `-0`, `1.0` and `1e0` are refused as counts and as a `msg_id`.
//! - Half of a surrogate pair, such as `"\ud800"`, is JSON but not Unicode. It is refused where a name is required, and
//!   ignored or echoed elsewhere.
//! - An echo has one space for each of its line breaks. `\r\n` is one, and so is a lone `\r`, where many readers of lines
//!   end one.
//! - `last_used` is 0 if the clock is set to a time before 1970.
//!
//! # The way of a message
//!
//! Data goes one way, from left to right: bytes, object, `Request`, `LeastConnections`, `Response`, bytes.
//!
//! | module | its one job |
//! | --- | --- |
//! | `server` | the loop: reads the next message, writes its reply |
//! | `framing` | splits the input into JSON objects, and resynchronizes |
//! | `request` | reads from an object who is to be answered, and what is asked for |
//! | `node` | answers one request |
//! | `least_connections` | the balancer: an ordered list of backends and their counters |
//! | `reply` | writes the reply |
//! | `error` | everything that a request can be refused for |
//! | `warning` | everything that gets no reply |
//!
//! They are private: `cargo doc --document-private-items` shows them.
// No input may make the program panic. Where one of these is needed, its reason is given.
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
