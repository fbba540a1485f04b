//! The task's samples and examples, byte for byte. The files can be piped in by hand, too.

use crate::support::assert_replies;

#[test]
fn the_first_sample_routes_to_the_fewest_connections() {
    assert_replies(
        &[],
        include_str!("../samples/fewest-connections.jsonl"),
        include_str!("../samples/fewest-connections.expected.jsonl"),
    );
}

#[test]
fn the_second_sample_is_pretty_printed_and_breaks_a_tie() {
    assert_replies(
        &[],
        include_str!("../samples/tie.json"),
        include_str!("../samples/tie.expected.jsonl"),
    );
}

#[test]
fn the_examples_in_the_prose_are_bare_bodies() {
    assert_replies(
        &["api-1", "api-2", "api-3"],
        include_str!("../samples/bare-bodies.jsonl"),
        include_str!("../samples/bare-bodies.expected.jsonl"),
    );
}

#[test]
fn a_fourth_request_goes_to_the_backend_that_is_free_again() {
    assert_replies(
        &["backend-1", "backend-2", "backend-3"],
        include_str!("../samples/why.jsonl"),
        include_str!("../samples/why.expected.jsonl"),
    );
}
