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
//! [`serve`] serves one stream. For several, share a `Mutex<LeastConnections>` among threads.
//!
//! # Reading
//!
//! - A message is one JSON object. It may span lines, and a line may hold several. It is answered when the line on which
//!   it ends has ended. What cannot be read is answered with error 12, and so is a list, as a whole.
//! - An object with a mistake ends where its brackets close. If its first line has a mistake and does not close them, or
//!   a line ends inside a string, lines are skipped until one begins with a bracket and is not indented more than it.
//! - An unfinished object also ends before such a line, if no value may come there.
//!
//! # Modules
//!
//! For those who change the program: each module imports only from those below it.
//!
//! | module | its one job |
//! | --- | --- |
//! | `server` | the loop |
//! | `reader` | finds objects in the lines, and goes on after what is not one |
//! | `lines` | reads lines: bounded, numbered, decoded |
//! | `node` | answers one message |
//! | `reply` | what replies look like |
//! | `object` | an object becomes a message, or the reason to refuse it |
//! | `message` | the keys of messages, and their types |
//! | `least_connections` | the balancer |
//! | `error` | a code and a text; how names and input are quoted |

mod error;
mod least_connections;
mod lines;
mod message;
mod node;
mod object;
mod reader;
mod reply;
mod server;

pub use error::{Refusal, quoted};
pub use least_connections::{Backend, LeastConnections, Report};
pub use node::Node;
pub use server::serve;
