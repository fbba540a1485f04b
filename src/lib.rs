//! A node that decides which backend gets the next request: the one with the fewest active connections.
//!
//! It reads JSON messages in the envelope of [Maelstrom](https://github.com/jepsen-io/maelstrom), or bare bodies, and
//! writes one JSON reply per line. The README's section "Messages" lists them. [`LeastConnections`] is the balancer. The
//! program is [`serve`] between the standard streams. A conversation in memory:
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
//! let mut node = Node::new(vec!["a".to_owned(), "b".to_owned()])?;
//! serve(&mut node, input.as_bytes(), &mut replies, |warning| warnings.push(warning.to_owned()))?;
//!
//! assert_eq!(
//!     String::from_utf8(replies)?,
//!     r#"{"src": "lb", "dest": "c1", "body": {"type": "http_response", "in_reply_to": 1, "backend": "b"}}
//! {"type": "drain_ok", "in_reply_to": 2, "backend": "b", "active_connections": {"a": 5, "b": 1}}
//! "#
//! );
//! assert_eq!(warnings, ["line 4: not a JSON object, which starts with { (skipping to the next one): `hello`"]);
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! # Reading
//!
//! - A message is one JSON object. It is answered when the line on which it ends has ended.
//! - It may span lines, and a line may hold several. A message and a line have at most 16 MiB.
//! - Blank lines, white space around a message, CRLF, a byte order mark at the start of a line and a last line without a
//!   line break are fine.
//! - What cannot be read gets one warning. Then lines are skipped until one begins with `{`.
//! - A mistake on a message's first line drops the rest of that line; on a later line, it drops the message.
//! - An unfinished message ends with a line that ends inside a string, with the input, or before a line that begins with
//!   `{`. Where a value is due, such a line is a part of the message, unless it is by itself a whole envelope.
//!
//! # Modules
//!
//! They are private; `cargo doc --document-private-items` shows them. A message passes them in this order:
//!
//! | module | its one job |
//! | --- | --- |
//! | `server` | the loop: reads messages, writes replies |
//! | `input` | finds the messages in the input, and goes on after what is not one |
//! | `message` | the keys of an envelope and of a body |
//! | `mistake` | what is wrong with an object that is refused |
//! | `node` | answers one message |
//! | `least_connections` | the balancer |
//! | `reply` | writes a reply |
//! | `error`, `warning` | what is said of refused requests, and of input that gets no reply |

mod error;
mod input;
mod least_connections;
mod message;
mod mistake;
mod node;
mod reply;
mod server;
mod warning;

pub use error::{Refusal, quoted};
pub use least_connections::{Backend, LeastConnections, Report};
pub use node::Node;
pub use server::serve;
