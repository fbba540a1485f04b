//! The task's samples and examples, byte for byte. The files can be piped in by hand, too.

use crate::support::assert_replies;

/// A test: its name, the pool, and the names of the files.
macro_rules! sample {
    ($name:ident, $pool:expr, $input:literal, $replies:literal) => {
        rule! { $name, assert_replies(
            $pool,
            include_str!(concat!("../samples/", $input)),
            include_str!(concat!("../samples/", $replies)),
        ) }
    };
}

const API: &[&str] = &["api-1", "api-2", "api-3"];
const BACKEND: &[&str] = &["backend-1", "backend-2", "backend-3"];

sample! { the_first_goes_to_the_fewest, &[], "fewest-connections.jsonl", "fewest-connections.expected.jsonl" }
sample! { the_second_is_pretty_printed, &[], "tie.json", "tie.expected.jsonl" }
sample! { the_examples_in_the_prose_are_bare, API, "bare-bodies.jsonl", "bare-bodies.expected.jsonl" }
sample! { the_fourth_request_goes_to_the_free_backend, BACKEND, "why.jsonl", "why.expected.jsonl" }
