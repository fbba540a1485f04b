//! What each message does: JSON in, JSON out, one rule a test.

use serde_json::Value;

use crate::support::{TWO, assert_transcript, run};

/// A test: its name, and what it asserts. (Between braces, `rustfmt` leaves the JSON where it is.)
macro_rules! rule {
    ($name:ident, $assertion:expr) => {
        #[test]
        fn $name() {
            $assertion;
        }
    };
}

/// A pool of two refuses each of these bodies, bare and in an envelope, and changes nothing.
///
/// A case is one line: the body, `=>`, and the code and the text of the error.
#[track_caller]
fn assert_refused(cases: &str) {
    const BEFORE: &str = r#"
        > {"type": "http_request", "active_connections": {"api-1": 3, "api-2": 4}}
        < {"type": "http_response", "backend": "api-1"}
        > {"type": "drain", "backend": "api-2"}
        < {"type": "drain_ok", "backend": "api-2", "active_connections": {"api-1": 4, "api-2": 4}}
    "#;
    const CASE: &str = r#"
        > BODY
        < ERROR
        > {"src": "c", "dest": "n", "body": BODY}
        < {"src": "n", "dest": "c", "body": ERROR}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"api-1": {"active_connections": 4, "total_requests": 1, "last_used": 1, "draining": false}, "api-2": {"active_connections": 4, "total_requests": 0, "last_used": null, "draining": true}}}
    "#;
    let mut transcript = BEFORE.to_owned();
    for case in cases.trim().lines() {
        let (body, refusal) = case.trim().split_once(" => ").expect("a body => an error");
        let (code, text) = refusal.split_once(' ').expect("a code and a text");
        let text = Value::from(text);
        let error = format!(r#"{{"type": "error", "code": {code}, "text": {text}}}"#);
        transcript += &CASE.replace("BODY", body).replace("ERROR", &error);
    }
    assert_transcript(TWO, &transcript);
}

mod the_envelope {
    use super::*;

    rule! { sends_the_reply_from_dest_to_src, assert_transcript(&[], r#"
        > {"src": "c1", "dest": "n1", "body": {"type": "stats", "msg_id": 5}}
        < {"src": "n1", "dest": "c1", "body": {"type": "stats_ok", "in_reply_to": 5, "backends": {}}}
        > {"body": {"msg_id": 6, "type": "stats"}, "dest": "n2", "src": ""}
        < {"src": "n2", "dest": "", "body": {"type": "stats_ok", "in_reply_to": 6, "backends": {}}}
    "#) }

    rule! { may_have_any_msg_id_of_64_bits_or_none, assert_transcript(&[], r#"
        > {"type": "init", "msg_id": 0}
        < {"type": "init_ok", "in_reply_to": 0}
        > {"type": "init", "msg_id": 18446744073709551615}
        < {"type": "init_ok", "in_reply_to": 18446744073709551615}
        > {"type": "init"}
        < {"type": "init_ok"}
    "#) }

    #[test]
    fn may_not_have_any_other_msg_id() {
        for msg_id in r#"18446744073709551616 -1 1.0 1e3 -0 "1" [] {} true"#.split(' ') {
            assert_refused(&r#"
                {"type": "sing", "msg_id": ID} => 12 msg_id must be an integer from 0 to 18446744073709551615, not ID
            "#.replace("ID", msg_id));
        }
    }

    rule! { has_its_msg_id_in_errors, assert_transcript(TWO, r#"
        > {"type": "sing", "msg_id": 1}
        < {"type": "error", "in_reply_to": 1, "code": 10, "text": "unknown message type \"sing\": the known ones are init, http_request, request_complete, drain, resume, stats and echo"}
        > {"type": "drain", "msg_id": 2, "backend": "x"}
        < {"type": "error", "in_reply_to": 2, "code": 20, "text": "unknown backend \"x\": the pool has \"api-1\", \"api-2\""}
        > {"src": "c", "dest": "n", "body": {"type": "request_complete", "msg_id": 3, "backend": "api-1"}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 3, "code": 22, "text": "backend \"api-1\" has no active connection to complete"}}
    "#) }

    rule! { may_have_keys_that_are_not_used, assert_transcript(TWO, r#"
        > {"type": "http_request", "method": 1e999, "headers": {"a": 1, "a": "\ud800"}, "echo": 1, "echo": 2, "\ud800": 0, "backends": 7, "node_ids": {}, "node_id": [], "backend": 1e999}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "request_complete", "backend": "api-1", "backends": ["x", "x"], "active_connections": {"x": -1}}
        < {"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "drain", "backend": "api-1", "algorithm": "random", "algorithm": 5, "active_connections": {"api-1": 5}}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "echo", "echo": 1, "backend": 5, "active_connections": [], "node_id": 5, "body": 5, "body": {"in_reply_to": 1}}
        < {"type": "echo_ok", "echo": 1}
        > {"src": "c", "dest": "n", "body": {"type": "init", "backends": [], "backend": 5, "active_connections": 1e999, "src": 5, "body": 5}}
        < {"src": "n", "dest": "c", "body": {"type": "init_ok"}}
        > {"id": 7, "src": "c", "dest": "n", "in_reply_to": 1, "msg_id": -1, "type": [], "body": {"type": "stats", "algorithm": "random", "algorithm": []}, "id": 8}
        < {"src": "n", "dest": "c", "body": {"type": "stats_ok", "backends": {}}}
    "#) }

    rule! { counts_null_in_an_optional_field_as_absent, assert_transcript(TWO, r#"
        > {"type": "http_request", "msg_id": null, "algorithm": null, "active_connections": null, "in_reply_to": null}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"src": "c", "dest": "n", "body": {"type": "http_reques\u0074", "msg_id": null, "algorithm": null, "active_connections": null, "in_reply_to": null}}
        < {"src": "n", "dest": "c", "body": {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 1, "api-2": 1}}}
        > {"src": null, "dest": null, "type": "init", "backends": null, "algorithm": null, "node_id": null, "node_ids": null}
        < {"type": "init_ok"}
        > {"src": null, "dest": null, "type": "ini\u0074", "backends": null, "algorithm": null, "node_id": null, "node_ids": null}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
    "#) }

    rule! { refuses_a_repeated_key_that_is_used, assert_refused(r#"
        {"type": "stats", "type": "stats"} => 12 duplicate key "type"
        {"type": "stats", "\u0074ype": "init"} => 12 duplicate key "type"
        {"type": "stats", "msg_id": 1, "msg_id": 1} => 12 duplicate key "msg_id"
        {"type": "init", "backends": null, "backends": ["a"]} => 12 duplicate key "backends"
        {"type": "init", "node_id": "a", "node_id": "a"} => 12 duplicate key "node_id"
        {"type": "init", "node_ids": [], "node_ids": []} => 12 duplicate key "node_ids"
        {"type": "init", "algorithm": "random", "algorithm": "random"} => 12 duplicate key "algorithm"
        {"type": "http_request", "algorithm": null, "algorithm": null} => 12 duplicate key "algorithm"
        {"type": "http_request", "active_connections": {}, "active_connections": {}} => 12 duplicate key "active_connections"
        {"type": "echo", "echo": null, "echo": null} => 12 duplicate key "echo"
    "#) }

    rule! { may_have_escapes_in_any_key_and_string, assert_transcript(&[], r#"
        > {"\u0073rc": "c", "d\u0065st": "n", "bod\u0079": {"type": "init", "back\u0065nds": ["\u0061", "b"]}}
        < {"src": "n", "dest": "c", "body": {"type": "init_ok"}}
        > {"type": "http_request", "\u0061ctive_connections": {"a": 1, "b": 0}, "msg_\u0069d": 2}
        < {"type": "http_response", "in_reply_to": 2, "backend": "b"}
        > {"type": "http_request", "active_connections": {"\u0061": 1, "b": 5}, "algorithm": "least\u002dconnections"}
        < {"type": "http_response", "backend": "a"}
        > {"type": "http_request", "\u0061lgorithm": "random"}
        < {"type": "error", "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}
        > {"t\u0079pe": "dr\u0061in", "backend": "\u0061", "msg_id": 18446744073709551615}
        < {"type": "drain_ok", "in_reply_to": 18446744073709551615, "backend": "a", "active_connections": {"a": 2, "b": 5}}
        > {"type": "init", "node_\u0069d": "\u0061", "node_ids": ["a", "b"]} {"type": "http_request"}
        < {"type": "init_ok"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 1}}
        > {"type": "init", "node_id": "a", "node_\u0069ds": ["\u0061", "b"]} {"type": "http_request"}
        < {"type": "init_ok"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 1}}
        > {"type": "echo", "\u0065cho": 1}
        < {"type": "echo_ok", "echo": 1}
        > {"type": "stats", "in_reply\u005fto": 1}
        ! line 9: not answered: it is a reply itself (it has in_reply_to): `{"type": "stats", "in_reply\u005fto": 1}`
    "#) }

    rule! { gets_only_the_escapes_that_json_requires, assert_transcript(
        &["é😀", "\u{1}\u{8}\t\n\u{c}\r\"\\/\u{7f}", ""], &r#"
        > {"src": "caf\u00e9", "dest": "\ud83d\ude00\"\\\/\n", "body": {"type": "http_request"}}
        < {"src": "😀\"\\/\n", "dest": "café", "body": {"type": "http_response", "status": 200, "backend": "é😀", "active_connections": {"é😀": 1, "\u0001\b\t\n\f\r\"\\/DEL": 0, "": 0}}}
        > {"type": "drain", "backend": ""}
        < {"type": "drain_ok", "backend": "", "active_connections": {"é😀": 1, "\u0001\b\t\n\f\r\"\\/DEL": 0, "": 0}}
        > {"type": "request_complete", "backend": "\u0001\b\t\n\f\r\"\\/DEL"}
        < {"type": "error", "code": 22, "text": "backend \"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/DEL\" has no active connection to complete"}
    "#.replace("DEL", "\u{7f}")) }

    rule! { is_answered_even_if_its_body_is_unusable, assert_transcript(&[], r#"
        > {"src": "c", "dest": "n", "msg_id": 1, "type": "stats"}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "missing \"body\": an object with a \"type\""}}
        > {"src": "c", "dest": "n", "body": {"type": "stats"}, "body": {"type": "stats"}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "duplicate key \"body\""}}
        > {"src": "c", "dest": "n", "body": null}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "\"body\" must be an object with a \"type\", not null"}}
        > {"src": "c", "dest": "n", "body": ["stats", 1]}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "\"body\" must be an object with a \"type\", not [\"stats\", 1]"}}
        > {"src": "c", "dest": "n", "body": {"msg_id": 1}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 1, "code": 12, "text": "missing \"type\": a string, such as \"http_request\""}}
    "#) }

    rule! { needs_an_address_or_a_type, assert_transcript(&[], r#"
        > {"msg_id": 1}
        ! line 1: not answered: no "type", and no "src" and "dest": `{"msg_id": 1}`
        > {"body": {"type": "stats"}}
        ! line 2: not answered: missing "src" and "dest": `{"body": {"type": "stats"}}`
        > {"src": null, "dest": null, "body": {"type": "stats"}}
        ! line 3: not answered: missing "src" and "dest": `{"src": null, "dest": null, "body": {"ty…`
        > {"src": "c", "body": {"type": "stats"}}
        ! line 4: not answered: missing "dest": `{"src": "c", "body": {"type": "stats"}}`
        > {"src": null, "dest": "n", "type": "stats"}
        ! line 5: not answered: missing "src": `{"src": null, "dest": "n", "type": "stat…`
        > {"src": 1, "dest": "n", "body": {"type": "stats"}}
        ! line 6: not answered: "src" must be a string, not 1: `{"src": 1, "dest": "n", "body": {"type":…`
        > {"src": "c", "dest": "\ud800", "body": {}}
        ! line 7: not answered: "dest" must be a string of Unicode characters, not "\ud800": `{"src": "c", "dest": "\ud800", "body": {…`
        > {"src": "c", "src": "c", "dest": "n"}
        ! line 8: not answered: duplicate key "src": `{"src": "c", "src": "c", "dest": "n"}`
        > ["c", "n", {"type": "stats"}]
        ! line 9: not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `["c", "n", {"type": "stats"}]`
    "#) }

    rule! { is_not_answered_if_it_is_a_reply, assert_transcript(&[], r#"
        > {"src": "c", "dest": "n", "body": {"type": "init_ok", "in_reply_to": 1}}
        ! line 1: not answered: it is a reply itself (it has in_reply_to): `{"src": "c", "dest": "n", "body": {"type…`
        > {"src": "c", "dest": "n", "body": {"in_reply_to": "x"}}
        ! line 2: not answered: it is a reply itself (it has in_reply_to): `{"src": "c", "dest": "n", "body": {"in_r…`
        > {"type": "http_request", "active_connections": {"a": 0}, "in_reply_to": 0}
        ! line 3: not answered: it is a reply itself (it has in_reply_to): `{"type": "http_request", "active_connect…`
        > {"type": 5, "type": 6, "msg_id": -1, "in_reply_to": {}, "in_reply_to": {}}
        ! line 4: not answered: it is a reply itself (it has in_reply_to): `{"type": 5, "type": 6, "msg_id": -1, "in…`
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {}}
    "#) }

    rule! { may_have_no_raw_control_character_in_a_key, assert_transcript(&[], &r#"
        > {"^": 1, "type": "init"}
        ! line 1, column 3: raw control character in a string (write \t for a tab): `�": 1, "type": "init"}`
        > {"src": "c", "dest": "n", "body": {"type": "echo", "echo": {"^": 2}}}
        ! line 2, column 62: raw control character in a string (write \t for a tab): `�": 2}}}`
        > {"type": "\u0069nit", "a^": 3}
        ! line 3, column 25: raw control character in a string (write \t for a tab): `�": 3}`
        > {"type": "init",
        >   "^": 5}
        ! line 5, column 4, in the message from line 4: raw control character in a string (write \t for a tab): `�": 5}`
        > {"type": "init", "msg_id": 6}
        < {"type": "init_ok", "in_reply_to": 6}
    "#.replace('^', "\u{1}")) }
}

mod init {
    use super::*;

    rule! { sets_up_the_pool_with_every_counter_at_zero, assert_transcript(&[], r#"
        > {"type": "init", "msg_id": 1, "backends": ["b", "a"], "algorithm": "least-connections"}
        < {"type": "init_ok", "in_reply_to": 1}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 1, "a": 0}}
        > {"type": "drain", "backend": "b"}
        < {"type": "drain_ok", "backend": "b", "active_connections": {"b": 1, "a": 0}}
        > {"type": "init", "backends": ["c", "b"], "node_ids": ["n1", "n2"]}
        < {"type": "init_ok"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"c": {"active_connections": 0, "total_requests": 0, "last_used": null, "draining": false}, "b": {"active_connections": 0, "total_requests": 0, "last_used": null, "draining": false}}}
    "#) }

    rule! { goes_back_to_the_backends_of_the_command_line, assert_transcript(TWO, r#"
        > {"type": "init", "backends": ["x"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "x", "active_connections": {"x": 1}}
        > {"type": "init", "node_id": "n1", "node_ids": ["n1", "n2"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "init"}
        < {"type": "init_ok"}
        > {"type": "http_request", "active_connections": {"x": 0}}
        < {"type": "error", "code": 20, "text": "unknown backend \"x\": the pool has \"api-1\", \"api-2\""}
    "#) }

    rule! { takes_an_empty_list_for_a_configured_empty_pool, assert_transcript(TWO, r#"
        > {"type": "init", "backends": [], "node_ids": ["n1", "n2"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "error", "code": 11, "text": "the pool is empty: name backends in an init"}
        > {"type": "http_request", "active_connections": {}}
        < {"type": "error", "code": 11, "text": "the pool is empty: name backends in an init"}
        > {"type": "http_request", "active_connections": {"api-1": 0}}
        < {"type": "error", "code": 20, "text": "unknown backend \"api-1\": the pool is empty"}
    "#) }

    rule! { opens_the_pool_without_backends_and_node_ids, assert_transcript(&[], r#"
        > {"type": "init", "backends": ["a"]}
        < {"type": "init_ok"}
        > {"type": "init", "node_id": "n1"}
        < {"type": "init_ok"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {}}
        > {"type": "http_request", "active_connections": {"b": 1}}
        < {"type": "http_response", "backend": "b"}
    "#) }

    rule! { refuses_fields_of_the_wrong_type, assert_refused(r#"
        {"type": "init", "backends": {"a": 1}} => 12 backends must be a list of strings, not {"a": 1}
        {"type": "init", "backends": "a"} => 12 backends must be a list of strings, not "a"
        {"type": "init", "backends": ["a", null]} => 12 backends[1] must be a string, not null
        {"type": "init", "backends": ["\udead"]} => 12 backends[0] must be a string of Unicode characters, not "\udead"
        {"type": "init", "node_ids": 1e999} => 12 node_ids must be a list of strings, not 1e999
        {"type": "init", "backends": ["a"], "node_ids": ["a", "b", 5]} => 12 node_ids[2] must be a string, not 5
        {"type": "init", "node_id": 1} => 12 "node_id" must be a string, not 1
        {"type": "init", "algorithm": 1} => 12 "algorithm" must be a string, not 1
    "#) }

    rule! { refuses_a_name_that_is_listed_twice, assert_refused(r#"
        {"type": "init", "backends": ["", "a", "b", "\u0061", ""]} => 12 "a" is listed twice in backends
        {"type": "init", "backends": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "2"]} => 12 "2" is listed twice in backends
        {"type": "init", "backends": ["a"], "node_id": "a", "node_ids": ["a", "a"]} => 12 "a" is listed twice in node_ids
    "#) }

    rule! { refuses_an_unknown_algorithm_if_all_else_is_right, assert_refused(r#"
        {"type": "init", "algorithm": "random", "backends": []} => 10 unknown algorithm "random": the only one is "least-connections"
        {"type": "init", "algorithm": "random", "node_ids": ["a", "a"]} => 12 "a" is listed twice in node_ids
        {"type": "init", "algorithm": "random", "node_id": 5} => 12 "node_id" must be a string, not 5
    "#) }
}

mod the_guess {
    use super::*;

    rule! { is_the_other_nodes_until_a_report_names_backends, assert_transcript(&[], r#"
        > {"type": "init", "node_id": "n2", "node_ids": ["n1", "n2", "n3"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "n1", "active_connections": {"n1": 1, "n3": 0}}
        > {"type": "http_request", "active_connections": {}}
        < {"type": "http_response", "backend": "n3"}
        > {"type": "http_request", "active_connections": {"api-1": 1, "n3": 5}}
        < {"type": "http_response", "backend": "api-1"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"api-1": {"active_connections": 2, "total_requests": 1, "last_used": 1, "draining": false}, "n3": {"active_connections": 5, "total_requests": 1, "last_used": 1, "draining": false}}}
        > {"type": "http_request", "active_connections": {"api-2": 0}}
        < {"type": "http_response", "backend": "api-2"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 2, "n3": 5, "api-2": 2}}
    "#) }

    rule! { outlives_a_report_that_is_refused, assert_transcript(&[], r#"
        > {"type": "init", "node_ids": ["n1", "n2"]}
        < {"type": "init_ok"}
        > {"type": "http_request", "active_connections": {"a": 0, "a": 1}}
        < {"type": "error", "code": 12, "text": "\"a\" is listed twice in active_connections"}
        > {"type": "http_request", "active_connections": {"a": 0}, "algorithm": "random"}
        < {"type": "error", "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "n1", "active_connections": {"n1": 1, "n2": 0}}
    "#) }

    rule! { is_empty_for_a_node_that_is_alone, assert_transcript(&[], r#"
        > {"type": "init", "node_id": "n1", "node_ids": ["n1"]}
        < {"type": "init_ok"}
        > {"type": "http_request", "msg_id": 2, "active_connections": {}}
        < {"type": "error", "in_reply_to": 2, "code": 11, "text": "the pool is empty: name backends in an init, in active_connections, or on the command line"}
        > {"type": "http_request", "active_connections": {"a": 0}}
        < {"type": "http_response", "backend": "a"}
    "#) }
}

mod http_request {
    use super::*;

    rule! { goes_to_the_fewest_and_on_a_tie_to_the_first, assert_transcript(&["z", "a", "m"], r#"
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "z", "active_connections": {"z": 1, "a": 0, "m": 0}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "a", "active_connections": {"z": 1, "a": 1, "m": 0}}
        > {"type": "http_request", "active_connections": {"m": 1, "a": 1, "z": 2}}
        < {"type": "http_response", "backend": "a"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "m", "active_connections": {"z": 2, "a": 2, "m": 2}}
    "#) }

    rule! { goes_on_from_the_reported_counts, assert_transcript(TWO, r#"
        > {"type": "http_request", "active_connections": {"api-2": 7, "api-1": 5}}
        < {"type": "http_response", "backend": "api-1"}
        > {"type": "http_request", "algorithm": "least-connections"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 7, "api-2": 7}}
        > {"type": "http_request", "active_connections": {"api-2": 3}}
        < {"type": "http_response", "backend": "api-2"}
        > {"type": "http_request", "active_connections": {}}
        < {"type": "http_response", "backend": "api-2"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 7, "api-2": 6}}
    "#) }

    rule! { adds_reported_backends_to_an_open_pool_in_their_order, assert_transcript(&[], r#"
        > {"type": "http_request", "active_connections": {"x": 0, "y": 0, "x": 0}}
        < {"type": "error", "code": 12, "text": "\"x\" is listed twice in active_connections"}
        > {"type": "http_request"}
        < {"type": "error", "code": 11, "text": "the pool is empty: name backends in an init, in active_connections, or on the command line"}
        > {"type": "http_request", "active_connections": {"b": 1, "a": 1}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "http_request", "active_connections": {"d": 9, "a": 9, "c": 9}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 4, "a": 9, "d": 9, "c": 9}}
    "#) }

    rule! { takes_reports_in_one_order_after_another, assert_transcript(&["a", "b", "c", "d"], r#"
        > {"type": "http_request", "active_connections": {"d": 4, "c": 3, "a": 1, "b": 2}}
        < {"type": "http_response", "backend": "a"}
        > {"type": "http_request", "active_connections": {"d": 8, "c": 7, "a": 6, "b": 5}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "http_request", "active_connections": {"d": 1, "c": 2}}
        < {"type": "http_response", "backend": "d"}
        > {"type": "http_request", "active_connections": {"d": 9, "a": 4, "c": 5, "b": 9}}
        < {"type": "http_response", "backend": "a"}
        > {"type": "http_request", "active_connections": {"d": 9, "a": 4, "c": 5, "a": 9}}
        < {"type": "error", "code": 12, "text": "\"a\" is listed twice in active_connections"}
        > {"type": "http_request", "active_connections": {"d": 9, "a": 4, "c": 5, "e": 9}}
        < {"type": "error", "code": 20, "text": "unknown backend \"e\": the pool has \"a\", \"b\", \"c\", \"d\""}
        > {"type": "http_request", "active_connections": {"d": 3}}
        < {"type": "http_response", "backend": "d"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "d", "active_connections": {"a": 5, "b": 9, "c": 5, "d": 5}}
        > {"type": "init", "backends": ["d", "c"]}
        < {"type": "init_ok"}
        > {"type": "http_request", "active_connections": {"c": 1, "d": 2}}
        < {"type": "http_response", "backend": "c"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "d", "active_connections": {"d": 3, "c": 2}}
    "#) }

    #[test]
    fn distinguishes_names_that_differ_in_one_byte() {
        const TRANSCRIPT: &str = r#"
            > {"type": "http_request", "active_connections": {"OTHER": 1}}
            < {"type": "error", "code": 20, "text": "unknown backend \"OTHER\": the pool has \"NAME\""}
            > {"type": "http_request", "active_connections": {"NAME": 1}}
            < {"type": "http_response", "backend": "NAME"}
        "#;
        for length in 1..=18 {
            let name = "x".repeat(length);
            for at in 0..length {
                let mut other = name.clone();
                other.replace_range(at..=at, "y");
                let transcript = TRANSCRIPT.replace("OTHER", &other).replace("NAME", &name);
                assert_transcript(&[&name], &transcript);
            }
        }
    }

    rule! { takes_counts_below_2_to_the_53_and_counts_on_above, assert_transcript(TWO, r#"
        > {"type": "http_request", "active_connections": {"api-1": 9007199254740991, "api-2": 9007199254740991}}
        < {"type": "http_response", "backend": "api-1"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 9007199254740992, "api-2": 9007199254740992}}
    "#) }

    #[test]
    fn refuses_any_other_count_and_names_its_backend() {
        for count in r#"9007199254740992 -1 1.0 1e0 1e999 -0 null true [] "five""#.split(' ') {
            assert_refused(&r#"
                {"type": "http_request", "active_connections": {"api-1": 0, "a": COUNT}} => 12 active_connections of "a" must be an integer from 0 to 9007199254740991, not COUNT
            "#.replace("COUNT", count));
        }
    }

    rule! { refuses_a_report_that_is_not_an_object_of_names, assert_refused(r#"
        {"type": "http_request", "active_connections": [1, 2]} => 12 active_connections must be an object of backend names and integers, not [1, 2]
        {"type": "http_request", "active_connections": "api-1"} => 12 active_connections must be an object of backend names and integers, not "api-1"
        {"type": "http_request", "active_connections": 1e999} => 12 active_connections must be an object of backend names and integers, not 1e999
        {"type": "http_request", "active_connections": {"api-1": 0, "\udead": 1}} => 12 a key of active_connections must be a string of Unicode characters, not "\udead"
    "#) }

    rule! { refuses_a_report_that_names_a_backend_twice, assert_refused(r#"
        {"type": "http_request", "active_connections": {"api-1": 1, "api-1": 1}} => 12 "api-1" is listed twice in active_connections
        {"type": "http_request", "active_connections": {"api-1": 1, "api-2": 1, "\u0061pi-1": 1}} => 12 "api-1" is listed twice in active_connections
        {"type": "http_request", "active_connections": {"api-2": 1, "api-1": 1, "api-2": 1}} => 12 "api-2" is listed twice in active_connections
        {"type": "http_request", "active_connections": {"api-2": 1, "x": 1, "api-1": 1, "x": 1}} => 12 "x" is listed twice in active_connections
    "#) }

    rule! { refuses_a_report_of_a_backend_that_is_not_configured, assert_refused(r#"
        {"type": "http_request", "active_connections": {"api-1": 0, "api-3": 0}} => 20 unknown backend "api-3": the pool has "api-1", "api-2"
        {"type": "http_request", "active_connections": {"y": 0, "x": 0, "api-2": 0, "api-1": 0}} => 20 unknown backend "y": the pool has "api-1", "api-2"
    "#) }

    rule! { refuses_any_other_algorithm_if_all_else_is_right, assert_refused(r#"
        {"type": "http_request", "algorithm": ""} => 10 unknown algorithm "": the only one is "least-connections"
        {"type": "http_request", "algorithm": "Least-Connections"} => 10 unknown algorithm "Least-Connections": the only one is "least-connections"
        {"type": "http_request", "algorithm": "random", "active_connections": {"x": 1}} => 10 unknown algorithm "random": the only one is "least-connections"
        {"type": "http_request", "algorithm": "random", "active_connections": {"x": 1, "x": 1}} => 12 "x" is listed twice in active_connections
        {"type": "http_request", "algorithm": "random", "active_connections": [1]} => 12 active_connections must be an object of backend names and integers, not [1]
        {"type": "http_request", "algorithm": ["least-connections"]} => 12 "algorithm" must be a string, not ["least-connections"]
    "#) }
}

mod request_complete {
    use super::*;

    rule! { takes_one_active_connection_until_none_is_left, assert_transcript(TWO, r#"
        > {"type": "http_request", "active_connections": {"api-1": 3}}
        < {"type": "http_response", "backend": "api-2"}
        > {"type": "request_complete", "msg_id": 3, "backend": "api-1"}
        < {"type": "request_complete_ok", "in_reply_to": 3, "backend": "api-1", "active_connections": {"api-1": 2, "api-2": 1}}
        > {"type": "request_complete", "msg_id": 3, "backend": "api-1"}
        < {"type": "request_complete_ok", "in_reply_to": 3, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 1}}
        > {"src": "c", "dest": "n", "body": {"type": "request_complete", "backend": "api-2"}}
        < {"src": "n", "dest": "c", "body": {"type": "request_complete_ok", "backend": "api-2", "active_connections": {"api-1": 1, "api-2": 0}}}
        > {"type": "request_complete", "backend": "api-2"}
        < {"type": "error", "code": 22, "text": "backend \"api-2\" has no active connection to complete"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"api-1": {"active_connections": 1, "total_requests": 0, "last_used": null, "draining": false}, "api-2": {"active_connections": 0, "total_requests": 1, "last_used": 1, "draining": false}}}
    "#) }
}

mod drain_and_resume {
    use super::*;

    rule! { take_a_backend_out_of_the_choice_and_put_it_back, assert_transcript(&["a", "b", "c"], r#"
        > {"type": "drain", "msg_id": 1, "backend": "a"}
        < {"type": "drain_ok", "in_reply_to": 1, "backend": "a", "active_connections": {"a": 0, "b": 0, "c": 0}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"a": 0, "b": 1, "c": 0}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "c", "active_connections": {"a": 0, "b": 1, "c": 1}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"a": 0, "b": 2, "c": 1}}
        > {"src": "x", "dest": "n", "body": {"type": "resume", "msg_id": 2, "backend": "a"}}
        < {"src": "n", "dest": "x", "body": {"type": "resume_ok", "in_reply_to": 2, "backend": "a", "active_connections": {"a": 0, "b": 2, "c": 1}}}
        > {"type": "http_request", "active_connections": {"a": 1}}
        < {"type": "http_response", "backend": "a"}
        > {"src": "x", "dest": "n", "body": {"type": "drain", "backend": "c"}}
        < {"src": "n", "dest": "x", "body": {"type": "drain_ok", "backend": "c", "active_connections": {"a": 2, "b": 2, "c": 1}}}
    "#) }

    rule! { may_be_repeated, assert_transcript(TWO, r#"
        > {"type": "drain", "backend": "api-1"}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "drain", "backend": "api-1"}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 0, "api-2": 1}}
        > {"type": "resume", "backend": "api-1"}
        < {"type": "resume_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 1}}
        > {"type": "resume", "backend": "api-1"}
        < {"type": "resume_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 1}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 1}}
    "#) }

    rule! { keep_counting_completions, assert_transcript(TWO, r#"
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "drain", "backend": "api-1"}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 1, "api-2": 1}}
        > {"type": "request_complete", "backend": "api-1"}
        < {"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 1}}
        > {"type": "request_complete", "backend": "api-1"}
        < {"type": "error", "code": 22, "text": "backend \"api-1\" has no active connection to complete"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 0, "api-2": 2}}
    "#) }

    rule! { keep_taking_reports, assert_transcript(TWO, r#"
        > {"type": "drain", "backend": "api-1"}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "http_request", "active_connections": {"api-1": 4, "api-2": 5}}
        < {"type": "http_response", "backend": "api-2"}
        > {"type": "http_request", "active_connections": {"api-2": 7, "api-1": 3}}
        < {"type": "http_response", "backend": "api-2"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"api-1": {"active_connections": 3, "total_requests": 0, "last_used": null, "draining": true}, "api-2": {"active_connections": 8, "total_requests": 2, "last_used": 1, "draining": false}}}
    "#) }

    rule! { outlive_the_report_that_replaces_a_guess, assert_transcript(&[], r#"
        > {"type": "init", "node_ids": ["n1", "n2", "n3"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "n1", "active_connections": {"n1": 1, "n2": 0, "n3": 0}}
        > {"type": "drain", "backend": "n1"}
        < {"type": "drain_ok", "backend": "n1", "active_connections": {"n1": 1, "n2": 0, "n3": 0}}
        > {"type": "http_request", "active_connections": {"n3": 9, "x": 8, "n1": 0}}
        < {"type": "http_response", "backend": "x"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"n3": {"active_connections": 9, "total_requests": 0, "last_used": null, "draining": false}, "x": {"active_connections": 9, "total_requests": 1, "last_used": 1, "draining": false}, "n1": {"active_connections": 0, "total_requests": 1, "last_used": 1, "draining": true}}}
    "#) }

    rule! { refuse_requests_while_every_backend_is_draining, assert_transcript(TWO, r#"
        > {"type": "drain", "backend": "api-2"}
        < {"type": "drain_ok", "backend": "api-2", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "drain", "backend": "api-1"}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "http_request"}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"api-1\", \"api-2\""}
        > {"type": "http_request", "active_connections": {"api-1": 8, "api-2": 9}}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"api-1\", \"api-2\""}
        > {"type": "http_request", "active_connections": {"api-2": 9}}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"api-1\", \"api-2\""}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"api-1": {"active_connections": 1, "total_requests": 1, "last_used": 1, "draining": true}, "api-2": {"active_connections": 0, "total_requests": 0, "last_used": null, "draining": true}}}
        > {"type": "request_complete", "backend": "api-1"}
        < {"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
    "#) }

    rule! { leave_an_open_pool_to_the_new_backends_of_a_report, assert_transcript(&[], r#"
        > {"type": "http_request", "active_connections": {"a": 0}}
        < {"type": "http_response", "backend": "a"}
        > {"type": "drain", "backend": "a"}
        < {"type": "drain_ok", "backend": "a", "active_connections": {"a": 1}}
        > {"type": "http_request", "active_connections": {"a": 5}}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"a\""}
        > {"type": "http_request", "active_connections": {"b": 9}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "http_request", "active_connections": {"c": 9, "b": 9, "a": 3}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "resume", "backend": "a"}
        < {"type": "resume_ok", "backend": "a", "active_connections": {"a": 3, "b": 10, "c": 9}}
    "#) }

    rule! { keep_a_guess_if_all_of_its_replacement_would_drain, assert_transcript(&[], r#"
        > {"type": "init", "node_ids": ["n1", "n2", "n3"]}
        < {"type": "init_ok"}
        > {"type": "drain", "backend": "n2"}
        < {"type": "drain_ok", "backend": "n2", "active_connections": {"n1": 0, "n2": 0, "n3": 0}}
        > {"type": "drain", "backend": "n3"}
        < {"type": "drain_ok", "backend": "n3", "active_connections": {"n1": 0, "n2": 0, "n3": 0}}
        > {"type": "http_request", "active_connections": {"n3": 4, "n2": 5}}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"n3\", \"n2\""}
        > {"type": "drain", "backend": "n1"}
        < {"type": "drain_ok", "backend": "n1", "active_connections": {"n1": 0, "n2": 0, "n3": 0}}
        > {"type": "http_request", "active_connections": {"n1": 6}}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"n1\""}
        > {"type": "http_request", "active_connections": {}}
        < {"type": "error", "code": 11, "text": "every backend is draining: resume one of \"n1\", \"n2\", \"n3\""}
        > {"type": "http_request", "active_connections": {"n2": 0, "x": 3}}
        < {"type": "http_response", "backend": "x"}
        > {"type": "resume", "backend": "n2"}
        < {"type": "resume_ok", "backend": "n2", "active_connections": {"n2": 0, "x": 4}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "n2", "active_connections": {"n2": 1, "x": 4}}
    "#) }

    rule! { leave_errors_12_10_and_20_before_11, assert_transcript(&["a"], r#"
        > {"type": "drain", "backend": "a"}
        < {"type": "drain_ok", "backend": "a", "active_connections": {"a": 0}}
        > {"type": "http_request", "algorithm": 5, "active_connections": {"x": 1}}
        < {"type": "error", "code": 12, "text": "\"algorithm\" must be a string, not 5"}
        > {"type": "http_request", "algorithm": "random", "active_connections": {"a": 1, "a": 1}}
        < {"type": "error", "code": 12, "text": "\"a\" is listed twice in active_connections"}
        > {"type": "http_request", "algorithm": "random", "active_connections": {"a": 1}}
        < {"type": "error", "code": 10, "text": "unknown algorithm \"random\": the only one is \"least-connections\""}
        > {"type": "http_request", "active_connections": {"a": 1, "x": 1}}
        < {"type": "error", "code": 20, "text": "unknown backend \"x\": the pool has \"a\""}
    "#) }

    #[test]
    fn refuse_other_backends_as_request_complete_does() {
        const CASES: &str = r#"
            {"type": "KIND"} => 12 missing "backend": a string, the name of a backend
            {"type": "KIND", "backend": null} => 12 "backend" must be a string, not null
            {"type": "KIND", "backend": ["api-1"]} => 12 "backend" must be a string, not ["api-1"]
            {"type": "KIND", "backend": 1e999} => 12 "backend" must be a string, not 1e999
            {"type": "KIND", "backend": "\udead"} => 12 "backend" must be a string of Unicode characters, not "\udead"
            {"type": "KIND", "backend": "api-1", "back\u0065nd": "api-1"} => 12 duplicate key "backend"
            {"type": "KIND", "backend": "API-1"} => 20 unknown backend "API-1": the pool has "api-1", "api-2"
        "#;
        const EMPTY_POOL: &str = r#"
            > {"type": "KIND", "backend": ""}
            < {"type": "error", "code": 20, "text": "unknown backend \"\": the pool is empty"}
        "#;
        for kind in ["request_complete", "drain", "resume"] {
            assert_refused(&CASES.replace("KIND", kind));
            assert_transcript(&[], &EMPTY_POOL.replace("KIND", kind));
        }
    }
}

mod stats {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::thread;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::support::start;

    rule! { list_the_counters_in_the_order_of_the_pool, assert_transcript(&["b", "a"], r#"
        > {"type": "http_request", "active_connections": {"a": 3, "b": 2}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "drain", "backend": "a"}
        < {"type": "drain_ok", "backend": "a", "active_connections": {"b": 3, "a": 3}}
        > {"type": "stats", "msg_id": 1}
        < {"type": "stats_ok", "in_reply_to": 1, "backends": {"b": {"active_connections": 3, "total_requests": 1, "last_used": 1, "draining": false}, "a": {"active_connections": 3, "total_requests": 0, "last_used": null, "draining": true}}}
    "#) }

    #[test]
    fn give_the_time_of_the_last_request_in_milliseconds() {
        let now = || UNIX_EPOCH.elapsed().expect("it is later").as_millis();
        let mut child = start(&["a"]);
        let mut input = child.stdin.take().expect("it is piped");
        let mut replies = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut last_used_after = |message: &str| {
            // The next millisecond, so that no two times are the same.
            let last = now();
            while now() == last {
                thread::yield_now();
            }
            writeln!(input, r#"{message} {{"type": "stats"}}"#).expect("the program reads");
            let reply = replies.by_ref().nth(1).expect("there are two replies");
            let stats: Value =
                serde_json::from_str(&reply.expect("it is UTF-8")).expect("it is JSON");
            let last_used = &stats["backends"]["a"]["last_used"];
            u128::from(last_used.as_u64().expect("it is an integer"))
        };
        let start = now();
        let first = last_used_after(r#"{"type": "http_request"}"#);
        let second = last_used_after(r#"{"type": "http_request"}"#);
        let completed = last_used_after(r#"{"type": "request_complete", "backend": "a"}"#);
        let times = [start, first, second, now()];
        assert!(times.is_sorted() && first < second, "{times:?}");
        assert_eq!(completed, second);
        drop(input);
        child.wait().expect("the program ends");
    }
}

mod echo {
    use super::*;
    use crate::support::assert_replies;

    rule! { comes_back_digit_for_digit_and_key_for_key, assert_transcript(&[], r#"
        > {"type": "echo", "msg_id": 1, "echo": [1.50E+007,-0,  1e999 ,123456789012345678901234567890.10]}
        < {"type": "echo_ok", "in_reply_to": 1, "echo": [1.50E+007,-0,  1e999 ,123456789012345678901234567890.10]}
        > {"src":"c","dest":"n","body":{"echo": {"b":1, "in_reply_to" : "\u00e9\ud800 é\/","b":[ ]  } ,"type":"echo"}}
        < {"src": "n", "dest": "c", "body": {"type": "echo_ok", "echo": {"b":1, "in_reply_to" : "\u00e9\ud800 é\/","b":[ ]  }}}
        > {"type": "echo", "echo": null}
        < {"type": "echo_ok", "echo": null}
    "#) }

    rule! { has_a_space_for_each_of_its_line_breaks, assert_replies(
        &[],
        "{\"type\": \"echo\", \"echo\": [1,\n2,\r\n3,\n\n4,\r5]}",
        "{\"type\": \"echo_ok\", \"echo\": [1, 2, 3,  4, 5]}\n",
    ) }

    rule! { may_not_be_missing, assert_refused(r#"
        {"type": "echo"} => 12 missing "echo": any JSON value
    "#) }
}

mod the_type {
    use super::*;

    rule! { is_one_of_seven_strings, assert_refused(r#"
        {"type": ""} => 10 unknown message type "": the known ones are init, http_request, request_complete, drain, resume, stats and echo
        {"type": "Stats"} => 10 unknown message type "Stats": the known ones are init, http_request, request_complete, drain, resume, stats and echo
        {"type": "broadcast", "message": 5} => 10 unknown message type "broadcast": the known ones are init, http_request, request_complete, drain, resume, stats and echo
        {"type": null} => 12 "type" must be a string, not null
        {"type": 1e999} => 12 "type" must be a string, not 1e999
        {"type": ["stats"]} => 12 "type" must be a string, not ["stats"]
        {"type": "\udead"} => 12 "type" must be a string of Unicode characters, not "\udead"
    "#) }
}

mod error_texts {
    use super::*;

    rule! { quote_40_characters_with_their_escapes, assert_refused(r#"
        {"type": "drain", "backend": "1234567890123456789012345678901234567890"} => 20 unknown backend "1234567890123456789012345678901234567890": the pool has "api-1", "api-2"
        {"type": "drain", "backend": "12345678901234567890123456789012345678901"} => 20 unknown backend "1234567890123456789012345678901234567890…": the pool has "api-1", "api-2"
        {"type": "drain", "backend": "ééééééééééééééééééééééééééééééééééééééééé"} => 20 unknown backend "éééééééééééééééééééééééééééééééééééééééé…": the pool has "api-1", "api-2"
        {"type": "drain", "backend": "\u0001\u0001\u0001\u0001\u0001\u0001\u0001"} => 20 unknown backend "\u0001\u0001\u0001\u0001\u0001\u0001…": the pool has "api-1", "api-2"
        {"type": 1234567890123456789012345678901234567890} => 12 "type" must be a string, not 1234567890123456789012345678901234567890
        {"type": 12345678901234567890123456789012345678901} => 12 "type" must be a string, not 1234567890123456789012345678901234567890…
        {"type": ["\ud800\ud800\ud800\ud800\ud800\ud800\ud800"]} => 12 "type" must be a string, not ["\ud800\ud800\ud800\ud800\ud800\ud800\u…
    "#) }

    rule! { quote_a_value_on_one_line, assert_transcript(&[], r#"
        > {"type": [1,
        >     2,   3
        > ]}
        < {"type": "error", "code": 12, "text": "\"type\" must be a string, not [1, 2, 3 ]"}
    "#) }

    rule! { list_at_most_five_names, assert_transcript(&["a", "b", "c", "d", "e", "f", "g"], r#"
        > {"type": "drain", "backend": "z"}
        < {"type": "error", "code": 20, "text": "unknown backend \"z\": the pool has \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more"}
        > {"type": "init", "backends": ["a", "b", "c", "d", "e"]}
        < {"type": "init_ok"}
        > {"type": "drain", "backend": "z"}
        < {"type": "error", "code": 20, "text": "unknown backend \"z\": the pool has \"a\", \"b\", \"c\", \"d\", \"e\""}
    "#) }

    #[test]
    fn have_at_most_400_characters() {
        const BODIES: &str = r#"
            {"type": "init", "backends": ["LONG1", "LONG2", "LONG3", "LONG4", "LONG5", "LONG6"]}
            {"type": "http_request", "active_connections": {"LONG7": 1}}
            {"type": "http_request", "active_connections": {"LONG1": "LONG"}}
            {"type": "http_request", "active_connections": {"LONG1": 1, "LONG1": 1}}
            {"type": "http_request", "active_connections": ["LONG"]}
            {"type": "http_request", "algorithm": "LONG"}
            {"type": "request_complete", "backend": "LONG1"}
            {"type": "request_complete", "backend": "LONG7"}
            {"type": "init", "backends": ["LONG", "LONG"]}
            {"type": "init", "backends": [["LONG"]]}
            {"type": "LONG"}
            {"type": "stats", "msg_id": "LONG"}
            {"type": "drain", "backend": "LONG1"} {"type": "drain", "backend": "LONG2"} {"type": "drain", "backend": "LONG3"}
            {"type": "drain", "backend": "LONG4"} {"type": "drain", "backend": "LONG5"} {"type": "drain", "backend": "LONG6"}
            {"type": "http_request"}
        "#;
        for filler in r#"\u0001 \" é \ud83d\ude00 \u007f \ud800"#.split(' ') {
            let replies = run(&[], BODIES.replace("LONG", &filler.repeat(100))).replies;
            let mut errors = 0;
            for reply in replies.lines() {
                let reply: Value = serde_json::from_str(reply).expect("it is JSON");
                let text = reply["text"].as_str().unwrap_or_default();
                errors += usize::from(!text.is_empty());
                assert!(text.chars().count() <= 400, "{text}");
            }
            assert!(errors >= 12, "{replies}");
        }
    }
}
