//! What each message does: literal JSON in, literal JSON out, a rule of the contract a test.

use crate::support::{converse, remark};

/// Bare bodies in, bare bodies out, for a pool of two.
#[track_caller]
fn two_backends(input: &str, replies: &str) {
    converse(&["api-1", "api-2"], input, replies);
}

/// Bare bodies in, bare bodies out, for a pool that nobody has configured.
#[track_caller]
fn no_backends(input: &str, replies: &str) {
    converse(&[], input, replies);
}

/// The error that a body gets from a pool of two, and that nothing has changed after it.
#[track_caller]
fn refused(body: &str, error: &str) {
    let before = r#"{"type": "http_request", "active_connections": {"api-1": 3, "api-2": 4}}"#;
    let stats = r#"{"type": "stats"}"#;
    two_backends(
        &format!("{before}\n{body}\n{stats}\n"),
        &format!(
            "{}\n{error}\n{}\n",
            r#"{"type": "http_response", "backend": "api-1"}"#,
            r#"{"type": "stats_ok", "backends": {"api-1": {"active_connections": 4, "total_requests": 1, "last_used": 1}, "api-2": {"active_connections": 4, "total_requests": 0, "last_used": null}}}"#,
        ),
    );
}

mod the_envelope {
    use super::*;

    #[test]
    fn a_reply_goes_from_dest_to_src_and_other_keys_are_ignored() {
        no_backends(
            r#"{"id": 7, "src": "c1", "dest": "n1", "time": {"a": [1]}, "body": {"type": "stats", "msg_id": 5}}"#,
            r#"{"src": "n1", "dest": "c1", "body": {"type": "stats_ok", "in_reply_to": 5, "backends": {}}}
"#,
        );
    }

    #[test]
    fn a_request_without_msg_id_gets_a_reply_without_in_reply_to() {
        no_backends(
            r#"{"src": "c", "dest": "n", "body": {"type": "init"}}
{"src": "c", "dest": "n", "body": {"type": "init", "msg_id": null}}"#,
            r#"{"src": "n", "dest": "c", "body": {"type": "init_ok"}}
{"src": "n", "dest": "c", "body": {"type": "init_ok"}}
"#,
        );
    }

    #[test]
    fn a_msg_id_may_be_any_integer_of_64_bits() {
        no_backends(
            r#"{"type": "init", "msg_id": 0}
{"type": "init", "msg_id": 18446744073709551615}
{"src": "c", "dest": "n", "body": {"type": "http_request", "msg_id": 18446744073709551615, "active_connections": {"a": 0}}}"#,
            r#"{"type": "init_ok", "in_reply_to": 0}
{"type": "init_ok", "in_reply_to": 18446744073709551615}
{"src": "n", "dest": "c", "body": {"type": "http_response", "in_reply_to": 18446744073709551615, "backend": "a"}}
"#,
        );
    }

    #[test]
    fn a_msg_id_that_is_none_is_malformed_and_cannot_be_replied_to() {
        for msg_id in [
            "18446744073709551616",
            "-1",
            "1.0",
            "1e3",
            "-0",
            "\"1\"",
            "[]",
            "{}",
            "true",
        ] {
            let error = format!(
                r#"{{"type": "error", "code": 12, "text": "msg_id must be an integer from 0 to 18446744073709551615, not {}"}}"#,
                msg_id.replace('"', "\\\"")
            );
            refused(
                &format!(r#"{{"type": "http_request", "msg_id": {msg_id}}}"#),
                &error,
            );
            refused(
                &format!(r#"{{"type": "nonsense", "msg_id": {msg_id}}}"#),
                &error,
            );
        }
    }

    #[test]
    fn keys_that_a_type_does_not_use_may_hold_anything_and_stand_there_twice() {
        let unused = r#""method": 1e999, "headers": {"a": 1, "a": "\ud800"}, "echo": 1, "echo": 2, "\ud800": 0, "backends": ["x", "x"], "backends": 7, "node_ids": {}, "node_id": [], "backend": 1e999, "backend": 2"#;
        two_backends(
            &format!(r#"{{"type": "http_request", "msg_id": 1, {unused}}}"#),
            r#"{"type": "http_response", "in_reply_to": 1, "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
"#,
        );
        let unused = r#""active_connections": 1e999, "active_connections": {"a": "b"}, "algorithm": "random", "algorithm": []"#;
        two_backends(
            &format!(
                r#"{{"src": "c", "dest": "n", "body": {{"type": "stats", "msg_id": 1, {unused}}}}}"#
            ),
            r#"{"src": "n", "dest": "c", "body": {"type": "stats_ok", "in_reply_to": 1, "backends": {"api-1": {"active_connections": 0, "total_requests": 0, "last_used": null}, "api-2": {"active_connections": 0, "total_requests": 0, "last_used": null}}}}
"#,
        );
    }

    #[test]
    fn an_optional_field_that_is_null_is_as_if_it_were_not_there() {
        two_backends(
            r#"{"type": "http_request", "msg_id": null, "algorithm": null, "active_connections": null, "in_reply_to": null}
{"src": "c", "dest": "n", "body": {"type": "http_request", "msg_id": null, "algorithm": null, "active_connections": null, "in_reply_to": null}}
{"type": "init", "backends": null, "algorithm": null, "node_id": null, "node_ids": null}
{"src": null, "dest": null, "type": "stats"}"#,
            r#"{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
{"src": "n", "dest": "c", "body": {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 1, "api-2": 1}}}
{"type": "init_ok"}
{"type": "stats_ok", "backends": {"api-1": {"active_connections": 0, "total_requests": 0, "last_used": null}, "api-2": {"active_connections": 0, "total_requests": 0, "last_used": null}}}
"#,
        );
    }

    #[test]
    fn a_key_that_is_used_and_stands_there_twice_is_malformed() {
        refused(
            r#"{"type": "stats", "type": "stats", "msg_id": 1}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "type is given twice: it must be given once"}"#,
        );
        refused(
            r#"{"type": "stats", "msg_id": 1, "msg_id": 1}"#,
            r#"{"type": "error", "code": 12, "text": "msg_id is given twice: it must be given once"}"#,
        );
        refused(
            r#"{"type": "http_request", "msg_id": 1, "algorithm": null, "algorithm": null}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "algorithm is given twice: it must be given once"}"#,
        );
        refused(
            r#"{"src": "c", "dest": "n", "body": {"type": "http_request", "msg_id": 1, "active_connections": {"api-1": 1}, "active_connections": {"api-1": 1}}}"#,
            r#"{"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 1, "code": 12, "text": "active_connections is given twice: it must be given once"}}"#,
        );
    }

    #[test]
    fn keys_and_texts_may_be_escaped() {
        two_backends(
            r#"{"\u0073rc": "caf\u00e9", "dest": "\ud83d\ude00\"\\\/\n", "body": {"typ\u0065": "\u0065cho", "msg_i\u0064": 1, "echo": "\u00e9"}}"#,
            r#"{"src": "😀\"\\/\n", "dest": "café", "body": {"type": "echo_ok", "in_reply_to": 1, "echo": "\u00e9"}}
"#,
        );
        refused(
            r#"{"type": "request_complete", "msg_id": 1, "backend": "api-1", "back\u0065nd": "api-1"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "backend is given twice: it must be given once"}"#,
        );
    }

    #[test]
    fn text_that_is_not_ascii_is_written_as_it_is_and_escaped_only_where_json_demands_it() {
        converse(
            &["é\u{7f}😀", "\u{1}\u{8}\t\n\u{c}\r\"\\/", ""],
            r#"{"type": "stats"}"#,
            "{\"type\": \"stats_ok\", \"backends\": {\"é\u{7f}😀\": {\"active_connections\": 0, \"total_requests\": 0, \"last_used\": null}, \"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\": {\"active_connections\": 0, \"total_requests\": 0, \"last_used\": null}, \"\": {\"active_connections\": 0, \"total_requests\": 0, \"last_used\": null}}}\n",
        );
    }

    #[test]
    fn an_envelope_without_a_usable_body_is_answered() {
        let error = |text: &str| {
            format!(
                r#"{{"src": "n", "dest": "c", "body": {{"type": "error", "code": 12, "text": "{text}"}}}}"#
            )
        };
        refused(
            r#"{"src": "c", "dest": "n"}"#,
            &error("body is missing: it must be an object with a type"),
        );
        refused(
            r#"{"src": "c", "dest": "n", "msg_id": 1, "type": "stats"}"#,
            &error("body is missing: it must be an object with a type"),
        );
        refused(
            r#"{"src": "c", "dest": "n", "body": {"type": "stats", "msg_id": 1}, "body": {"type": "stats", "msg_id": 1}}"#,
            &error("body is given twice: it must be given once"),
        );
        for body in ["null", "1e999", "true", "[1, 2]"] {
            refused(
                &format!(r#"{{"src": "c", "dest": "n", "body": {body}}}"#),
                &error(&format!("body must be an object with a type, not {body}")),
            );
        }
        refused(
            r#"{"src": "c", "dest": "n", "body": ["http_request", 1, null, null, null, null]}"#,
            &error(
                r#"body must be an object with a type, not [\"http_request\", 1, null, null, null, nu…"#,
            ),
        );
        refused(
            r#"{"src": "c", "dest": "n", "body": {}}"#,
            &error("type is missing: it must be text, the name of a message type"),
        );
    }

    #[test]
    fn an_object_without_an_address_and_without_a_type_gets_a_remark() {
        remark(
            &[],
            r#"{"msg_id": 1}
{"body": {"type": "stats"}}
{"src": null, "dest": null, "body": {"type": "stats"}}
{}"#,
            "",
            "least-connections: line 1: no answer to `{\"msg_id\": 1}`: it has neither src and dest, as an envelope does, nor a type, as a bare body does
least-connections: line 2: no answer to `{\"body\": {\"type\": \"stats\"}}`: it has neither src and dest, as an envelope does, nor a type, as a bare body does
least-connections: line 3: no answer to `{\"src\": null, \"dest\": null, \"body\": {\"ty…`: it has neither src and dest, as an envelope does, nor a type, as a bare body does
least-connections: line 4: no answer to `{}`: it has neither src and dest, as an envelope does, nor a type, as a bare body does
",
        );
    }

    #[test]
    fn half_an_address_or_one_that_is_no_text_gets_a_remark() {
        remark(
            &[],
            r#"{"src": "c", "body": {"type": "stats"}}
{"dest": "n", "type": "stats"}
{"src": 1, "dest": "n", "body": {"type": "stats"}}
{"src": "c", "dest": "\ud800", "body": {"type": "stats"}}
{"src": "c", "src": "c", "dest": "n", "body": {"type": "stats"}}
["c", "n", {"type": "stats"}]"#,
            "",
            r#"least-connections: line 1: no answer to `{"src": "c", "body": {"type": "stats"}}`: it has no address for a reply: dest is missing: it must be text, the name of a node
least-connections: line 2: no answer to `{"dest": "n", "type": "stats"}`: it has no address for a reply: src is missing: it must be text, the name of a node
least-connections: line 3: no answer to `{"src": 1, "dest": "n", "body": {"type":…`: it has no address for a reply: src must be text, the name of a node, not 1
least-connections: line 4: no answer to `{"src": "c", "dest": "\ud800", "body": {…`: it has no address for a reply: dest must be text, the name of a node, not "\ud800"
least-connections: line 5: no answer to `{"src": "c", "src": "c", "dest": "n", "b…`: it has no address for a reply: src is given twice: it must be given once
least-connections: line 6: cannot read `["c", "n", {"type": "stats"}]`: a message is a JSON object, which begins with {
"#,
        );
    }

    #[test]
    fn a_reply_is_never_answered_whatever_else_it_holds() {
        remark(
            &["api-1"],
            r#"{"src": "c", "dest": "n", "body": {"type": "init_ok", "in_reply_to": 1}}
{"src": "c", "dest": "n", "body": {"type": "http_request", "msg_id": 1, "in_reply_to": "x"}}
{"type": "http_request", "in_reply_to": 0, "in_reply_to": 0}
{"type": 5, "type": 6, "msg_id": -1, "in_reply_to": {}}
{"type": "stats"}"#,
            r#"{"type": "stats_ok", "backends": {"api-1": {"active_connections": 0, "total_requests": 0, "last_used": null}}}
"#,
            r#"least-connections: line 1: no answer to `{"src": "c", "dest": "n", "body": {"type…`: it is itself a reply: its body has in_reply_to
least-connections: line 2: no answer to `{"src": "c", "dest": "n", "body": {"type…`: it is itself a reply: its body has in_reply_to
least-connections: line 3: no answer to `{"type": "http_request", "in_reply_to":…`: it is itself a reply: its body has in_reply_to
least-connections: line 4: no answer to `{"type": 5, "type": 6, "msg_id": -1, "in…`: it is itself a reply: its body has in_reply_to
"#,
        );
    }
}

mod init {
    use super::*;

    #[test]
    fn sets_the_pool_up_anew_with_every_counter_at_zero() {
        no_backends(
            r#"{"type": "init", "msg_id": 1, "backends": ["b", "a"], "algorithm": "least-connections"}
{"type": "http_request", "msg_id": 2}
{"type": "init", "msg_id": 3, "backends": ["b", "c"]}
{"type": "stats", "msg_id": 4}"#,
            r#"{"type": "init_ok", "in_reply_to": 1}
{"type": "http_response", "in_reply_to": 2, "status": 200, "backend": "b", "active_connections": {"b": 1, "a": 0}}
{"type": "init_ok", "in_reply_to": 3}
{"type": "stats_ok", "in_reply_to": 4, "backends": {"b": {"active_connections": 0, "total_requests": 0, "last_used": null}, "c": {"active_connections": 0, "total_requests": 0, "last_used": null}}}
"#,
        );
    }

    #[test]
    fn without_backends_goes_back_to_those_of_the_command_line_and_not_to_node_ids() {
        two_backends(
            r#"{"type": "http_request"}
{"type": "init", "node_id": "n1", "node_ids": ["n1", "n2"]}
{"type": "http_request"}
{"type": "init", "backends": ["x"]}
{"type": "http_request"}
{"type": "init"}
{"type": "http_request"}"#,
            r#"{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
{"type": "init_ok"}
{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
{"type": "init_ok"}
{"type": "http_response", "status": 200, "backend": "x", "active_connections": {"x": 1}}
{"type": "init_ok"}
{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
"#,
        );
    }

    #[test]
    fn with_an_empty_list_configures_a_pool_with_nobody_in_it() {
        two_backends(
            r#"{"type": "init", "backends": []}
{"type": "stats"}
{"type": "http_request"}
{"type": "http_request", "active_connections": {}}
{"type": "http_request", "active_connections": {"api-1": 0}}"#,
            r#"{"type": "init_ok"}
{"type": "stats_ok", "backends": {}}
{"type": "error", "code": 11, "text": "the pool is empty, so there is no backend to route to: name some in backends of an init"}
{"type": "error", "code": 11, "text": "the pool is empty, so there is no backend to route to: name some in backends of an init"}
{"type": "error", "code": 20, "text": "backend \"api-1\" is not in the pool, which is empty: name backends in an init"}
"#,
        );
    }

    #[test]
    fn with_neither_backends_nor_node_ids_opens_an_empty_pool() {
        no_backends(
            r#"{"type": "init", "backends": ["a"]}
{"type": "init", "node_id": "n1"}
{"type": "stats"}
{"type": "http_request", "active_connections": {"b": 1}}"#,
            r#"{"type": "init_ok"}
{"type": "init_ok"}
{"type": "stats_ok", "backends": {}}
{"type": "http_response", "backend": "b"}
"#,
        );
    }

    #[test]
    fn refuses_lists_that_are_none_or_name_somebody_twice() {
        refused(
            r#"{"type": "init", "msg_id": 1, "backends": {"a": 1}}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "backends must be a list of names, not {\"a\": 1}"}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "backends": ["a", null]}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "entry 2 of backends must be text, not null"}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "backends": ["a", "b", "\u0061"]}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "backends names \"a\" twice: it must name each only once"}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "backends": ["a"], "node_id": "n1", "node_ids": ["n1", "n1"]}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "node_ids names \"n1\" twice: it must name each only once"}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "node_ids": "n1"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "node_ids must be a list of names, not \"n1\""}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "node_id": 1}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "node_id must be text, not 1"}"#,
        );
    }

    #[test]
    fn refuses_an_algorithm_that_there_is_not() {
        refused(
            r#"{"type": "init", "msg_id": 1, "backends": [], "algorithm": "round-robin"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 10, "text": "unknown algorithm \"round-robin\": the only one is \"least-connections\""}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "algorithm": 1}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "algorithm must be text, \"least-connections\", not 1"}"#,
        );
        refused(
            r#"{"type": "init", "msg_id": 1, "backends": ["a", "a"], "algorithm": "random"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "backends names \"a\" twice: it must name each only once"}"#,
        );
    }
}

mod the_guess {
    use super::*;

    #[test]
    fn is_the_other_nodes_until_a_request_reports_which_backends_there_are() {
        no_backends(
            r#"{"type": "init", "node_id": "n2", "node_ids": ["n1", "n2", "n3"]}
{"type": "http_request"}
{"type": "http_request", "active_connections": {}}
{"type": "http_request", "active_connections": {"api-1": 1, "n3": 5}}
{"type": "stats"}
{"type": "http_request", "active_connections": {"api-2": 0}}
{"type": "http_request"}"#,
            r#"{"type": "init_ok"}
{"type": "http_response", "status": 200, "backend": "n1", "active_connections": {"n1": 1, "n3": 0}}
{"type": "http_response", "backend": "n3"}
{"type": "http_response", "backend": "api-1"}
{"type": "stats_ok", "backends": {"api-1": {"active_connections": 2, "total_requests": 1, "last_used": 1}, "n3": {"active_connections": 5, "total_requests": 1, "last_used": 1}}}
{"type": "http_response", "backend": "api-2"}
{"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 2, "n3": 5, "api-2": 2}}
"#,
        );
    }

    #[test]
    fn outlives_a_report_that_is_refused() {
        no_backends(
            r#"{"type": "init", "node_ids": ["n1", "n2"]}
{"type": "http_request", "active_connections": {"a": 0, "a": 1}}
{"type": "http_request", "active_connections": {"a": 0}, "algorithm": "random"}
{"type": "http_request"}"#,
            r#"{"type": "init_ok"}
{"type": "error", "code": 12, "text": "active_connections names \"a\" twice: it must name each only once"}
{"type": "error", "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}
{"type": "http_response", "status": 200, "backend": "n1", "active_connections": {"n1": 1, "n2": 0}}
"#,
        );
    }

    #[test]
    fn is_nobody_where_the_node_is_alone() {
        no_backends(
            r#"{"type": "init", "node_id": "n1", "node_ids": ["n1"]}
{"type": "http_request", "msg_id": 2}"#,
            r#"{"type": "init_ok"}
{"type": "error", "in_reply_to": 2, "code": 11, "text": "the pool is empty, so there is no backend to route to: name some in backends of an init, in active_connections of an http_request, or on the command line"}
"#,
        );
    }
}

mod http_request {
    use super::*;

    #[test]
    fn goes_to_the_fewest_and_on_a_tie_to_the_first_in_the_pools_order() {
        converse(
            &["z", "a", "m"],
            r#"{"type": "http_request"}
{"type": "http_request"}
{"type": "http_request"}
{"type": "http_request"}
{"type": "request_complete", "backend": "m"}
{"type": "http_request"}"#,
            r#"{"type": "http_response", "status": 200, "backend": "z", "active_connections": {"z": 1, "a": 0, "m": 0}}
{"type": "http_response", "status": 200, "backend": "a", "active_connections": {"z": 1, "a": 1, "m": 0}}
{"type": "http_response", "status": 200, "backend": "m", "active_connections": {"z": 1, "a": 1, "m": 1}}
{"type": "http_response", "status": 200, "backend": "z", "active_connections": {"z": 2, "a": 1, "m": 1}}
{"type": "request_complete_ok", "backend": "m", "active_connections": {"z": 2, "a": 1, "m": 0}}
{"type": "http_response", "status": 200, "backend": "m", "active_connections": {"z": 2, "a": 1, "m": 1}}
"#,
        );
    }

    #[test]
    fn with_reported_counts_goes_on_from_them_and_keeps_those_not_named() {
        two_backends(
            r#"{"type": "http_request", "active_connections": {"api-2": 7, "api-1": 5}}
{"type": "http_request"}
{"type": "http_request", "active_connections": {"api-2": 3}}
{"type": "http_request"}"#,
            r#"{"type": "http_response", "backend": "api-1"}
{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 7, "api-2": 7}}
{"type": "http_response", "backend": "api-2"}
{"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 7, "api-2": 5}}
"#,
        );
    }

    #[test]
    fn breaks_a_tie_of_reported_counts_by_the_pools_order_and_not_by_theirs() {
        two_backends(
            r#"{"type": "http_request", "active_connections": {"api-2": 3, "api-1": 3}}"#,
            r#"{"type": "http_response", "backend": "api-1"}
"#,
        );
    }

    #[test]
    fn brings_backends_into_an_open_pool_in_the_order_in_which_they_stand() {
        no_backends(
            r#"{"type": "http_request", "active_connections": {"b": 1, "a": 1}}
{"type": "http_request", "active_connections": {"d": 9, "a": 9, "c": 9}}
{"type": "stats"}"#,
            r#"{"type": "http_response", "backend": "b"}
{"type": "http_response", "backend": "b"}
{"type": "stats_ok", "backends": {"b": {"active_connections": 3, "total_requests": 2, "last_used": 1}, "a": {"active_connections": 9, "total_requests": 0, "last_used": null}, "d": {"active_connections": 9, "total_requests": 0, "last_used": null}, "c": {"active_connections": 9, "total_requests": 0, "last_used": null}}}
"#,
        );
    }

    #[test]
    fn takes_an_empty_report_for_a_report() {
        two_backends(
            r#"{"type": "http_request", "active_connections": {}}"#,
            r#"{"type": "http_response", "backend": "api-1"}
"#,
        );
    }

    #[test]
    fn takes_counts_up_to_2_to_the_53_minus_1_and_counts_on_above() {
        two_backends(
            r#"{"type": "http_request", "active_connections": {"api-1": 9007199254740991, "api-2": 9007199254740991}}
{"type": "http_request"}
{"type": "http_request"}"#,
            r#"{"type": "http_response", "backend": "api-1"}
{"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 9007199254740992, "api-2": 9007199254740992}}
{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 9007199254740993, "api-2": 9007199254740992}}
"#,
        );
    }

    #[test]
    fn refuses_counts_that_are_none_and_says_whose() {
        for count in [
            "9007199254740992",
            "-1",
            "1.0",
            "1e0",
            "1e999",
            "null",
            "true",
            "[]",
        ] {
            let error = |id: &str| {
                format!(
                    r#"{{"type": "error"{id}, "code": 12, "text": "active_connections of \"api-2\" must be an integer from 0 to 9007199254740991, not {count}"}}"#
                )
            };
            refused(
                &format!(
                    r#"{{"type": "http_request", "msg_id": 3, "active_connections": {{"api-1": 0, "api-2": {count}}}}}"#
                ),
                &error(r#", "in_reply_to": 3"#),
            );
            refused(
                &format!(
                    r#"{{"src": "c", "dest": "n", "body": {{"type": "http_request", "active_connections": {{"api-1": 0, "api-2": {count}}}}}}}"#
                ),
                &format!(r#"{{"src": "n", "dest": "c", "body": {}}}"#, error("")),
            );
        }
        refused(
            r#"{"type": "http_request", "active_connections": {"api-1": "five"}}"#,
            r#"{"type": "error", "code": 12, "text": "active_connections of \"api-1\" must be an integer from 0 to 9007199254740991, not \"five\""}"#,
        );
        refused(
            r#"{"type": "http_request", "active_connections": {"\ud800": 1}}"#,
            r#"{"type": "error", "code": 12, "text": "a name in active_connections must be text, not \"\\ud800\""}"#,
        );
        for report in ["[1, 2]", "7", "true", "1e999"] {
            refused(
                &format!(r#"{{"type": "http_request", "active_connections": {report}}}"#),
                &format!(
                    r#"{{"type": "error", "code": 12, "text": "active_connections must be an object of backend names and integers, not {report}"}}"#
                ),
            );
        }
    }

    #[test]
    fn refuses_a_report_that_names_a_backend_twice_known_or_not() {
        let error = r#"{"type": "error", "code": 12, "text": "active_connections names \"NAME\" twice: it must name each only once"}"#;
        for (report, name) in [
            (r#"{"api-1": 1, "api-1": 1}"#, "api-1"),
            (r#"{"api-1": 1, "api-2": 1, "\u0061pi-1": 1}"#, "api-1"),
            (r#"{"api-2": 1, "api-1": 1, "api-2": 1}"#, "api-2"),
            (r#"{"api-2": 1, "x": 1, "api-1": 1, "x": 1}"#, "x"),
            (r#"{"x": 1, "x": 1}"#, "x"),
        ] {
            refused(
                &format!(r#"{{"type": "http_request", "active_connections": {report}}}"#),
                &error.replace("NAME", name),
            );
        }
        no_backends(
            r#"{"type": "http_request", "active_connections": {"x": 1, "y": 1, "x": 1}}
{"type": "stats"}"#,
            &format!(
                "{}\n{}\n",
                error.replace("NAME", "x"),
                r#"{"type": "stats_ok", "backends": {}}"#
            ),
        );
    }

    #[test]
    fn refuses_a_report_with_a_backend_that_a_configured_pool_does_not_have() {
        refused(
            r#"{"type": "http_request", "msg_id": 1, "active_connections": {"api-1": 0, "api-3": 0}}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 20, "text": "backend \"api-3\" is not in the pool: it must be one of \"api-1\", \"api-2\""}"#,
        );
    }

    #[test]
    fn refuses_an_algorithm_that_there_is_not() {
        refused(
            r#"{"type": "http_request", "msg_id": 1, "algorithm": "random"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}"#,
        );
        refused(
            r#"{"src": "c", "dest": "n", "body": {"type": "http_request", "algorithm": ""}}"#,
            r#"{"src": "n", "dest": "c", "body": {"type": "error", "code": 10, "text": "unknown algorithm \"\": the only one is \"least-connections\""}}"#,
        );
        refused(
            r#"{"type": "http_request", "algorithm": ["least-connections"]}"#,
            r#"{"type": "error", "code": 12, "text": "algorithm must be text, \"least-connections\", not [\"least-connections\"]"}"#,
        );
    }

    #[test]
    fn with_several_faults_is_refused_for_12_before_10_before_20_before_11() {
        refused(
            r#"{"type": "http_request", "algorithm": "random", "active_connections": {"x": -1}}"#,
            r#"{"type": "error", "code": 12, "text": "active_connections of \"x\" must be an integer from 0 to 9007199254740991, not -1"}"#,
        );
        refused(
            r#"{"type": "http_request", "algorithm": "random", "active_connections": {"x": 1, "x": 1}}"#,
            r#"{"type": "error", "code": 12, "text": "active_connections names \"x\" twice: it must name each only once"}"#,
        );
        refused(
            r#"{"type": "http_request", "algorithm": "random", "active_connections": {"x": 1}}"#,
            r#"{"type": "error", "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}"#,
        );
        no_backends(
            r#"{"type": "http_request", "algorithm": "random"}"#,
            r#"{"type": "error", "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}
"#,
        );
    }

    #[test]
    fn has_nowhere_to_go_from_an_empty_pool() {
        let error = r#"{"type": "error", "code": 11, "text": "the pool is empty, so there is no backend to route to: name some in backends of an init, in active_connections of an http_request, or on the command line"}"#;
        no_backends(
            r#"{"type": "http_request"}
{"type": "http_request", "active_connections": {}}"#,
            &format!("{error}\n{error}\n"),
        );
    }
}

mod request_complete {
    use super::*;

    #[test]
    fn takes_one_active_connection_from_its_backend_and_nothing_else() {
        two_backends(
            r#"{"type": "http_request"}
{"type": "http_request", "active_connections": {"api-1": 2}}
{"type": "request_complete", "msg_id": 3, "backend": "api-1"}
{"src": "c", "dest": "n", "body": {"type": "request_complete", "msg_id": 4, "backend": "api-2"}}
{"type": "stats"}"#,
            r#"{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
{"type": "http_response", "backend": "api-2"}
{"type": "request_complete_ok", "in_reply_to": 3, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 1}}
{"src": "n", "dest": "c", "body": {"type": "request_complete_ok", "in_reply_to": 4, "backend": "api-2", "active_connections": {"api-1": 1, "api-2": 0}}}
{"type": "stats_ok", "backends": {"api-1": {"active_connections": 1, "total_requests": 1, "last_used": 1}, "api-2": {"active_connections": 0, "total_requests": 1, "last_used": 1}}}
"#,
        );
    }

    #[test]
    fn sent_twice_counts_twice() {
        two_backends(
            r#"{"type": "http_request", "active_connections": {"api-1": 2, "api-2": 9}}
{"type": "request_complete", "backend": "api-1"}
{"type": "request_complete", "backend": "api-1"}"#,
            r#"{"type": "http_response", "backend": "api-1"}
{"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 2, "api-2": 9}}
{"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 9}}
"#,
        );
    }

    #[test]
    fn refuses_a_backend_with_none_active() {
        two_backends(
            r#"{"type": "request_complete", "msg_id": 1, "backend": "api-2"}
{"type": "http_request"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 22, "text": "backend \"api-2\" has no active connection: it must have a request that was routed to it and has not ended yet"}
{"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
"#,
        );
    }

    #[test]
    fn refuses_a_backend_that_the_pool_does_not_have() {
        refused(
            r#"{"type": "request_complete", "msg_id": 1, "backend": "api-9"}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 20, "text": "backend \"api-9\" is not in the pool: it must be one of \"api-1\", \"api-2\""}"#,
        );
        no_backends(
            r#"{"type": "request_complete", "backend": ""}"#,
            r#"{"type": "error", "code": 20, "text": "backend \"\" is not in the pool, which is empty: name backends in an init"}
"#,
        );
    }

    #[test]
    fn refuses_a_backend_that_is_missing_or_no_text() {
        refused(
            r#"{"type": "request_complete", "msg_id": 1}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "backend is missing: it must be text, the name of a backend"}"#,
        );
        refused(
            r#"{"src": "c", "dest": "n", "body": {"type": "request_complete", "msg_id": 1}}"#,
            r#"{"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 1, "code": 12, "text": "backend is missing: it must be text, the name of a backend"}}"#,
        );
        for backend in ["null", "1", "{}", "1e999"] {
            refused(
                &format!(r#"{{"type": "request_complete", "msg_id": 1, "backend": {backend}}}"#),
                &format!(
                    r#"{{"type": "error", "in_reply_to": 1, "code": 12, "text": "backend must be text, the name of a backend, not {backend}"}}"#
                ),
            );
        }
    }
}

mod stats {
    use crate::support::run;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn milliseconds_since_1970() -> u128 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.expect("it is later").as_millis()
    }

    #[test]
    fn tell_when_a_backend_was_last_used_in_milliseconds_since_1970() {
        let before = milliseconds_since_1970();
        let said = run(&["a"], r#"{"type": "http_request"}{"type": "stats"}"#);
        let after = milliseconds_since_1970();
        let (_, last_used) = said
            .replies
            .split_once("\"last_used\": ")
            .expect("it is there");
        let last_used = last_used
            .trim_end_matches(['}', '\n'])
            .parse()
            .expect("it is a number");
        assert!(
            (before..=after).contains(&last_used),
            "{before} <= {last_used} <= {after}"
        );
    }
}

mod echo {
    use super::*;

    #[test]
    fn comes_back_digit_for_digit_and_key_for_key() {
        for echo in [
            r"null",
            r"1.50E+007",
            r"-0",
            r"1e999",
            r"123456789012345678901234567890.10",
            r#""\u00e9\ud800 é""#,
            r#"{"b":1,"a" : 2,"b":[ ]  }"#,
            r"[1,	2 ,3]",
        ] {
            no_backends(
                &format!(
                    r#"{{"src":"c","dest":"n","body":{{"type":"echo","msg_id":1,"echo": {echo} }}}}"#
                ),
                &format!(
                    "{{\"src\": \"n\", \"dest\": \"c\", \"body\": {{\"type\": \"echo_ok\", \"in_reply_to\": 1, \"echo\": {echo}}}}}\n"
                ),
            );
        }
    }

    #[test]
    fn has_a_space_for_each_of_its_line_breaks() {
        no_backends(
            "{\"type\": \"echo\", \"echo\": [1,\n2,\r\n3,\n\n4,\r5]}",
            "{\"type\": \"echo_ok\", \"echo\": [1, 2, 3,  4, 5]}\n",
        );
    }

    #[test]
    fn is_missing_only_where_it_does_not_stand() {
        refused(
            r#"{"type": "echo", "msg_id": 1}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "echo is missing: it must be any JSON value"}"#,
        );
        refused(
            r#"{"type": "echo", "msg_id": 1, "echo": null, "echo": null}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 12, "text": "echo is given twice: it must be given once"}"#,
        );
    }
}

mod the_type {
    use super::*;

    #[test]
    fn that_is_unknown_comes_back_with_the_known_ones() {
        refused(
            r#"{"type": "broadcast", "msg_id": 1, "message": 5}"#,
            r#"{"type": "error", "in_reply_to": 1, "code": 10, "text": "unknown message type \"broadcast\": the known ones are init, http_request, request_complete, stats and echo"}"#,
        );
        refused(
            r#"{"src": "c", "dest": "n", "body": {"type": ""}}"#,
            r#"{"src": "n", "dest": "c", "body": {"type": "error", "code": 10, "text": "unknown message type \"\": the known ones are init, http_request, request_complete, stats and echo"}}"#,
        );
    }

    #[test]
    fn that_is_no_text_is_malformed() {
        for kind in ["null", "5", "[]"] {
            refused(
                &format!(r#"{{"type": {kind}, "msg_id": 1}}"#),
                &format!(
                    r#"{{"type": "error", "in_reply_to": 1, "code": 12, "text": "type must be text, the name of a message type, not {kind}"}}"#
                ),
            );
        }
    }
}

mod error_texts {
    use super::*;

    #[test]
    fn shorten_long_values_and_long_lists() {
        let long = "x".repeat(1000);
        let shown = format!("{}…", "x".repeat(40));
        converse(
            &["a", "b", "c", "d", "e", "f", "g"],
            format!(
                r#"{{"type": "{long}"}}
{{"type": "request_complete", "backend": "{long}"}}
{{"type": "http_request", "active_connections": {{"a": "{long}"}}}}"#
            ),
            &format!(
                r#"{{"type": "error", "code": 10, "text": "unknown message type \"{shown}\": the known ones are init, http_request, request_complete, stats and echo"}}
{{"type": "error", "code": 20, "text": "backend \"{shown}\" is not in the pool: it must be one of \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more"}}
{{"type": "error", "code": 12, "text": "active_connections of \"a\" must be an integer from 0 to 9007199254740991, not \"{}…"}}
"#,
                "x".repeat(39)
            ),
        );
    }
}
