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
//! let mut replies = Vec::new();
//! let mut node = Node::new(vec!["a".to_owned(), "b".to_owned()])?;
//! serve(&mut node, input.as_bytes(), &mut replies)?;
//!
//! assert_eq!(
//!     String::from_utf8(replies)?,
//!     r#"{"src": "lb", "dest": "c1", "body": {"type": "http_response", "in_reply_to": 1, "backend": "b"}}
//! {"type": "drain_ok", "in_reply_to": 2, "backend": "b", "active_connections": {"a": 5, "b": 1}}
//! {"type": "error", "code": 12, "text": "line 4: not a JSON object, which starts with {: `hello`"}
//! "#
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To use the balancer from several threads, share a `Mutex<LeastConnections>`.
//!
//! # Reading
//!
//! - A message is one JSON object. It may span lines, and a line may hold several. It is answered when the line on which
//!   it ends has ended. What cannot be read is answered with error 12, and the rest of its line is not read.
//! - If brackets or a string are open at the end of that line, lines are skipped until one begins with a bracket and is
//!   not indented more. Before such a line, an unfinished object ends, too, if no value may come there.
//!
//! # Modules
//!
//! Each imports only from those below it.
//!
//! | module | its one job |
//! | --- | --- |
//! | `server` | the loop |
//! | `reader` | finds objects in the lines, and goes on after what cannot be read |
//! | `lines` | reads lines: bounded, numbered, decoded |
//! | `brackets` | how far an object goes |
//! | `node` | what each type of message does |
//! | `reply` | what replies look like |
//! | `message` | an object becomes a message, or a reply, which is not answered |
//! | `object` | an object: its keys, and how a field is read |
//! | `least_connections` | the balancer |
//! | `error` | a code and a text; how names and input are quoted |

mod brackets;
mod error;
mod least_connections;
mod lines;
mod message;
mod node;
mod object;
mod reader;
mod reply;
mod server;

pub use error::{Code, Refusal};
pub use least_connections::{Backend, LeastConnections, Report};
pub use node::Node;
pub use server::serve;
