//! A node that decides which backend gets the next request: the one with the fewest active connections.
//!
//! It reads JSON messages, in the envelope of [Maelstrom](https://github.com/jepsen-io/maelstrom), and writes one JSON
//! reply a line. The program `least-connections` is this library between the standard streams; the README tells what
//! each message does. A conversation in memory:
//!
//! ```
//! use least_connections::{Node, serve};
//!
//! let input = r#"
//! {"src": "c1", "dest": "lb", "body": {"type": "http_request", "msg_id": 1}}
//! {"src": "c1", "dest": "lb", "body": {"type": "http_request", "msg_id": 2, "active_connections": {"api-1": 5}}}
//! {"type": "request_complete", "msg_id": 3, "backend": "api-2"}
//! so much for JSON
//! "#;
//! let (mut replies, mut remarks) = (Vec::new(), Vec::new());
//! let mut node = Node::new(vec!["api-1".to_owned(), "api-2".to_owned()]);
//! serve(&mut node, input.as_bytes(), &mut replies, &mut remarks)?;
//!
//! assert_eq!(
//!     String::from_utf8(replies)?,
//!     r#"{"src": "lb", "dest": "c1", "body": {"type": "http_response", "in_reply_to": 1, "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}}
//! {"src": "lb", "dest": "c1", "body": {"type": "http_response", "in_reply_to": 2, "backend": "api-2"}}
//! {"type": "request_complete_ok", "in_reply_to": 3, "backend": "api-2", "active_connections": {"api-1": 5, "api-2": 0}}
//! "#
//! );
//! assert_eq!(
//!     String::from_utf8(remarks)?,
//!     "least-connections: line 5: cannot read `so much for JSON`: \
//!      a message is a JSON object, which begins with {\n"
//! );
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! The first request finds both backends idle, and a tie goes to the first. The second reports that `api-1` has five
//! active connections, so it goes to `api-2`; its reply is short, because who reports counts knows them. The third
//! line is a bare body, and gets a bare reply. The last is no message, and gets a remark instead.
//!
//! # The way of a message
//!
//! Data passes once, from left to right: bytes, text, `Request`, `LeastConnections`, `Response`, bytes.
//!
//! | module | its one job |
//! | --- | --- |
//! | `server` | the loop: the next message in, its reply out, nothing held back while the program waits |
//! | `framing` | cuts the byte stream into texts, each one JSON object; knows nothing of what they say |
//! | `request` | reads from a text whom to answer and what is asked for |
//! | `node` | answers one request |
//! | `least_connections` | the balancer, an ordered list of backends and their counters: no JSON, no I/O, no clock |
//! | `reply` | writes the reply |
//! | `error` | what a request can be refused for, with Maelstrom's code and a text for a person |
//!
//! They are private, as nothing outside needs them: `cargo doc --document-private-items` has them all.
// No input may make the program panic; where one of these is needed, a reason stands beside it.
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

pub use node::Node;
pub use server::serve;
