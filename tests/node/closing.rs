//! The closing phase of the Maelstrom workload, without Maelstrom: so the transcript cannot drift from the node.

use crate::support::assert_transcript;

#[test]
fn the_node_answers_as_the_closing_transcript_says() {
    let lines = include_str!("../maelstrom/closing.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    // The text of an error may be any.
    let (error, text) = ("< {\"type\": \"error\"", ", \"text\": \"…\"}");
    let lines = lines.map(|line| match line.strip_prefix(error) {
        Some(rest) => error.to_owned() + &rest.replace('}', text),
        None => line.to_owned(),
    });
    let transcript = lines.collect::<Vec<_>>().join("\n");
    // A reply may span lines. There is no space behind a bracket.
    let transcript = transcript.replace("{\n    ", "{").replace(",\n    ", ", ");
    // The replies are without the ids, so the messages are, too.
    let transcript = transcript.replace("msg_id", "id");
    let transcript = transcript.replace("\"routed\"", "1");
    assert!(transcript.matches("\n< ").count() > 150);
    assert_transcript(&["api-10", "api-1", "api-2"], &transcript);
}
