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
        > {"body": {"msg_id": 6, "type": "stats"}, "dest": "n2", "src": ""}
        < {"src": "n2", "dest": "", "body": {"type": "stats_ok", "in_reply_to": 6, "backends": {}}}
    "#) }

    rule! { may_have_any_msg_id_of_64_bits_or_none, assert_transcript(&[], r#"
        > {"type": "init", "msg_id": 0} {"type": "init", "msg_id": 18446744073709551615} {"type": "init"}
        < {"type": "init_ok", "in_reply_to": 0}
        < {"type": "init_ok", "in_reply_to": 18446744073709551615}
        < {"type": "init_ok"}
    "#) }

    #[test]
    fn may_not_have_any_other_msg_id() {
        for msg_id in r#"18446744073709551616 -1 1.0 1e3 "1" [] {} true"#.split(' ') {
            assert_refused(&r#"
                {"type": "sing", "msg_id": ID} => 12 msg_id must be an integer from 0 to 18446744073709551615, not ID
            "#.replace("ID", msg_id));
        }
    }

    rule! { has_its_msg_id_in_errors, assert_transcript(TWO, r#"
        > {"src": "c", "dest": "n", "body": {"type": "stats", "msg_id": 3, "backend": 5}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 3, "code": 12, "text": "backend must be a string, the name of a backend, not 5"}}
        > {"type": "stats", "type": "stats", "msg_id": true, "msg_id": 4}
        < {"type": "error", "in_reply_to": 4, "code": 12, "text": "duplicate field `type`"}
    "#) }

    rule! { may_have_other_keys_and_known_ones_that_are_not_used, assert_transcript(TWO, r#"
        > {"type": "drain", "backend": "api-2", "algorithm": "random", "active_connections": {"x": 5}, "backends": ["x", "x"], "echo": []}
        < {"type": "drain_ok", "backend": "api-2", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "http_request", "method": 1e999, "headers": {"a": 1, "a": "\ud800"}, "body": 5, "body": {"type": 6}}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"src": "c", "dest": "n", "body": {"type": "echo", "echo": 1, "src": 5, "src": 6, "dest": "x", "body": "POST", "body": []}}
        < {"src": "n", "dest": "c", "body": {"type": "echo_ok", "echo": 1}}
        > {"id": 7, "src": "c", "dest": "n", "in_reply_to": 1, "msg_id": -1, "type": [], "body": {"type": "init", "backends": []}, "id": 8}
        < {"src": "n", "dest": "c", "body": {"type": "init_ok"}}
    "#) }

    rule! { must_have_the_right_type_in_each_known_key, assert_refused(r#"
        {"type": 5} => 12 type must be a string, such as "http_request", not 5
        {"type": "\udead"} => 12 type must be a string, such as "http_request", not "\udead"
        {"type": "stats", "backends": "api-1"} => 12 backends must be a list of strings, not "api-1"
        {"type": "stats", "backends": ["a", null]} => 12 backends must be a list of strings, not ["a", null]
        {"type": "stats", "algorithm": 1} => 12 algorithm must be a string, not 1
        {"type": "stats", "node_id": ["n"]} => 12 node_id must be a string, not ["n"]
        {"type": "stats", "node_ids": 1e999} => 12 node_ids must be a list of strings, not 1e999
        {"type": "stats", "backend": {}} => 12 backend must be a string, the name of a backend, not {}
        {"type": "stats", "active_connections": [1,2]} => 12 active_connections must be an object of backend names and integers, not [1,2]
        {"type": "stats", "active_connections": {"\udead": 1}} => 12 active_connections must be an object of backend names and integers, not {"\udead": 1}
    "#) }

    rule! { must_have_one_of_seven_types, assert_refused(r#"
        {"type": ""} => 10 unknown message type "": the known ones are init, http_request, request_complete, drain, resume, stats and echo
        {"type": "Stats"} => 10 unknown message type "Stats": the known ones are init, http_request, request_complete, drain, resume, stats and echo
    "#) }

    rule! { counts_null_as_absent, assert_transcript(TWO, r#"
        > {"type": "http_request", "msg_id": null, "algorithm": null, "active_connections": null, "in_reply_to": null}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"src": null, "dest": null, "type": "init", "backends": null, "algorithm": null, "node_id": null, "node_ids": null, "backend": null}
        < {"type": "init_ok"}
        > {"src": "c", "dest": "n", "body": {"type": "echo", "echo": null}}
        < {"src": "n", "dest": "c", "body": {"type": "echo_ok", "echo": null}}
    "#) }

    rule! { must_not_repeat_a_known_key, assert_refused(r#"
        {"type": "stats", "\u0074ype": "init"} => 12 duplicate field `type`
        {"type": "stats", "msg_id": null, "msg_id": null} => 12 duplicate field `msg_id`
        {"type": "stats", "in_reply_to": null, "in_reply_to": null} => 12 duplicate field `in_reply_to`
        {"type": "stats", "backends": null, "backends": ["a"]} => 12 duplicate field `backends`
        {"type": "stats", "node_ids": [], "node_ids": []} => 12 duplicate field `node_ids`
        {"type": "drain", "backend": "api-1", "back\u0065nd": "api-1"} => 12 duplicate field `backend`
        {"type": "http_request", "active_connections": {}, "active_connections": {}} => 12 duplicate field `active_connections`
        {"type": "echo", "echo": null, "echo": null} => 12 duplicate field `echo`
    "#) }

    rule! { may_have_escapes_in_any_key_and_string, assert_transcript(&[], r#"
        > {"\u0073rc": "c\u0031", "d\u0065st": "n", "bod\u0079": {"type": "\u0069nit", "back\u0065nds": ["\u0061", "b"]}}
        < {"src": "n", "dest": "c1", "body": {"type": "init_ok"}}
        > {"type": "http_request", "\u0061ctive_connections": {"\u0061": 1, "b": 5}, "msg_\u0069d": 2, "algorithm": "least\u002dconnections"}
        < {"type": "http_response", "in_reply_to": 2, "backend": "a"}
        > {"type": "drain", "backend": "\u0061"}
        < {"type": "drain_ok", "backend": "a", "active_connections": {"a": 2, "b": 5}}
        > {"type": "init", "node_id": "\u0061", "node_ids": ["a", "\u0062"]} {"type": "http_request"}
        < {"type": "init_ok"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 1}}
    "#) }

    rule! { gets_only_the_escapes_that_json_and_lines_require, assert_transcript(
        &["é😀\u{2028}", "\u{1}\u{8}\t\n\u{c}\r\"\\/\u{7f}"], &r#"
        > {"src": "caf\u00e9\u2029", "dest": "\ud83d\ude00\"\\\/\n", "body": {"type": "http_request"}}
        < {"src": "😀\"\\/\n", "dest": "café\u2029", "body": {"type": "http_response", "status": 200, "backend": "é😀\u2028", "active_connections": {"é😀\u2028": 1, "\u0001\b\t\n\f\r\"\\/DEL": 0}}}
    "#.replace("DEL", "\u{7f}")) }

    rule! { is_answered_even_without_a_usable_body, assert_transcript(&[], r#"
        > {"src": "c", "dest": "n", "msg_id": 1, "type": "stats"}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "missing \"body\": an object with a \"type\""}}
        > {"src": "c", "dest": "n", "body": 5}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "body must be an object with a \"type\", not 5"}}
        > {"src": "c", "dest": "n", "body": {"msg_id": 1, "type": null, "src": "c"}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 1, "code": 12, "text": "missing \"type\": a string, such as \"http_request\""}}
        > {"src": "c", "dest": "n", "body": {"type": "stats", "msg_id": 1}, "body": {"type": "stats", "msg_id": 2}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 2, "code": 12, "text": "duplicate field `body`"}}
        > {"src": "b", "src": "c", "dest": "n", "body": {"type": "stats"}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "duplicate field `src`"}}
    "#) }

    rule! { is_any_object_with_strings_for_src_and_dest, assert_transcript(&[], r#"
        > {"src": 5, "dest": "n", "type": "stats", "msg_id": 1}
        < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
        > {"src": "c", "type": "stats", "body": {"in_reply_to": 1}}
        < {"type": "stats_ok", "backends": {}}
        > {"src": "c", "msg_id": 2} {"dest": "n"} {"body": {"type": "stats"}}
        < {"type": "error", "in_reply_to": 2, "code": 12, "text": "neither an envelope (its \"src\" and \"dest\" are strings) nor a body (it has a \"type\")"}
        < {"type": "error", "code": 12, "text": "neither an envelope (its \"src\" and \"dest\" are strings) nor a body (it has a \"type\")"}
        < {"type": "error", "code": 12, "text": "neither an envelope (its \"src\" and \"dest\" are strings) nor a body (it has a \"type\")"}
        > {"msg_id": 3}
        < {"type": "error", "in_reply_to": 3, "code": 12, "text": "missing \"type\": a string, such as \"http_request\""}
    "#) }

    rule! { is_not_answered_if_it_is_a_reply, assert_transcript(&[], r#"
        > {"src": "c", "dest": "n", "body": {"type": "init_ok", "in_reply_to": 1}}
        ! line 1: not answered: it is a reply itself (it has in_reply_to): `{"src": "c", "dest": "n", "body": {"type…`
        > {"src": "c", "dest": "n", "body": {"in_reply_to": "x"}}
        ! line 2: not answered: it is a reply itself (it has in_reply_to): `{"src": "c", "dest": "n", "body": {"in_r…`
        > {"type": 5, "type": 6, "msg_id": -1, "in_reply_to": {}, "in_reply_to": null}
        ! line 3: not answered: it is a reply itself (it has in_reply_to): `{"type": 5, "type": 6, "msg_id": -1, "in…`
        > {"type": "http_request", "active_connections": {"a": 0}, "in_reply_to": 0} {"type": "stats"}
        ! line 4: not answered: it is a reply itself (it has in_reply_to): `{"type": "http_request", "active_connect…`
        < {"type": "stats_ok", "backends": {}}
    "#) }
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

    rule! { takes_an_empty_list_for_a_configured_empty_pool, assert_transcript(TWO, r#"
        > {"type": "init", "backends": [], "node_ids": ["n1", "n2"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "error", "code": 11, "text": "the pool is empty: name backends in an init"}
        > {"type": "http_request", "active_connections": {"api-1": 0}}
        < {"type": "error", "code": 20, "text": "unknown backend \"api-1\": the pool is empty"}
    "#) }

    rule! { refuses_a_name_twice_and_any_other_algorithm, assert_refused(r#"
        {"type": "init", "backends": ["b", "a", "c", "\u0061"]} => 12 "a" is listed twice in backends
        {"type": "init", "backends": ["a"], "node_id": "a", "node_ids": ["a", "a"]} => 12 "a" is listed twice in node_ids
        {"type": "init", "algorithm": "random", "backends": []} => 10 unknown algorithm "random": the only one is "least-connections"
        {"type": "init", "algorithm": "random", "node_ids": ["a", "a"]} => 12 "a" is listed twice in node_ids
    "#) }
}

mod the_guess {
    use super::*;

    rule! { is_the_other_nodes_until_a_report_names_backends, assert_transcript(&[], r#"
        > {"type": "init", "node_id": "n2", "node_ids": ["n1", "n2", "n3"]}
        < {"type": "init_ok"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "n1", "active_connections": {"n1": 1, "n3": 0}}
        > {"type": "drain", "backend": "n3"}
        < {"type": "drain_ok", "backend": "n3", "active_connections": {"n1": 1, "n3": 0}}
        > {"type": "http_request", "active_connections": {}}
        < {"type": "http_response", "backend": "n1"}
        > {"type": "http_request", "active_connections": {"n3": 1, "api-1": 1}}
        < {"type": "http_response", "backend": "n3"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"n3": {"active_connections": 2, "total_requests": 1, "last_used": 1, "draining": false}, "api-1": {"active_connections": 1, "total_requests": 0, "last_used": null, "draining": false}}}
        > {"type": "http_request", "active_connections": {"api-2": 0}}
        < {"type": "http_response", "backend": "api-2"}
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
    "#) }

    rule! { adds_reported_backends_to_an_open_pool_in_their_order, assert_transcript(&[], r#"
        > {"type": "http_request"}
        < {"type": "error", "code": 11, "text": "the pool is empty: name backends in an init, in active_connections, or on the command line"}
        > {"type": "http_request", "active_connections": {"b": 1, "a": 1}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "http_request", "active_connections": {"d": 9, "a": 9, "c": 9}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 4, "a": 9, "d": 9, "c": 9}}
    "#) }

    rule! { takes_the_last_count_of_a_name_at_its_first_place, assert_transcript(&[], r#"
        > {"type": "http_request", "active_connections": {"x": 9, "y": 5, "\u0078": 4}}
        < {"type": "http_response", "backend": "x"}
        > {"type": "http_request", "active_connections": {"y": 0, "z": 0, "y": 7}}
        < {"type": "http_response", "backend": "z"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "z", "active_connections": {"x": 5, "y": 7, "z": 2}}
    "#) }

    rule! { takes_counts_below_2_to_the_53_and_counts_on_above, assert_transcript(TWO, r#"
        > {"type": "http_request", "active_connections": {"api-1": 9007199254740991, "api-2": 9007199254740991}}
        < {"type": "http_response", "backend": "api-1"}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 9007199254740992, "api-2": 9007199254740992}}
    "#) }

    #[test]
    fn refuses_any_other_count_and_names_its_backend() {
        for count in r#"9007199254740992 -1 1.0 1e0 null true [] "five""#.split(' ') {
            assert_refused(&r#"
                {"type": "http_request", "active_connections": {"api-1": 0, "a": COUNT}} => 12 active_connections of "a" must be an integer from 0 to 9007199254740991, not COUNT
            "#.replace("COUNT", count));
        }
    }

    rule! { refuses_a_report_of_a_backend_that_is_not_configured, assert_refused(r#"
        {"type": "http_request", "active_connections": {"api-1": 0, "api-3": 0}} => 20 unknown backend "api-3": the pool has "api-1", "api-2"
    "#) }

    rule! { refuses_any_other_algorithm_if_all_else_is_right, assert_refused(r#"
        {"type": "http_request", "algorithm": "Least-Connections"} => 10 unknown algorithm "Least-Connections": the only one is "least-connections"
        {"type": "http_request", "algorithm": "random", "active_connections": {"x": 1}} => 10 unknown algorithm "random": the only one is "least-connections"
        {"type": "http_request", "algorithm": "random", "active_connections": {"x": -1}} => 12 active_connections of "x" must be an integer from 0 to 9007199254740991, not -1
    "#) }
}

mod request_complete {
    use super::*;

    rule! { takes_one_active_connection_until_none_is_left, assert_transcript(TWO, r#"
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"type": "request_complete", "msg_id": 3, "backend": "api-1"}
        < {"type": "request_complete_ok", "in_reply_to": 3, "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "request_complete", "backend": "api-1"}
        < {"type": "error", "code": 22, "text": "backend \"api-1\" has no active connection to complete"}
    "#) }
}

mod drain_and_resume {
    use super::*;

    rule! { take_a_backend_out_of_the_choice_and_put_it_back, assert_transcript(TWO, r#"
        > {"type": "http_request", "active_connections": {"api-1": 0, "api-2": 5}}
        < {"type": "http_response", "backend": "api-1"}
        > {"type": "drain", "msg_id": 1, "backend": "api-1"} {"type": "drain", "backend": "api-1"}
        < {"type": "drain_ok", "in_reply_to": 1, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 5}}
        < {"type": "drain_ok", "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 5}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-2", "active_connections": {"api-1": 1, "api-2": 6}}
        > {"type": "request_complete", "backend": "api-1"}
        < {"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 6}}
        > {"type": "http_request", "active_connections": {"api-1": 3}}
        < {"type": "http_response", "backend": "api-2"}
        > {"src": "x", "dest": "n", "body": {"type": "resume", "msg_id": 2, "backend": "api-1"}}
        < {"src": "n", "dest": "x", "body": {"type": "resume_ok", "in_reply_to": 2, "backend": "api-1", "active_connections": {"api-1": 3, "api-2": 7}}}
        > {"type": "http_request"}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 4, "api-2": 7}}
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
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"api-1": {"active_connections": 1, "total_requests": 1, "last_used": 1, "draining": true}, "api-2": {"active_connections": 0, "total_requests": 0, "last_used": null, "draining": true}}}
        > {"type": "request_complete", "backend": "api-1"}
        < {"type": "request_complete_ok", "backend": "api-1", "active_connections": {"api-1": 0, "api-2": 0}}
    "#) }

    #[test]
    fn refuse_other_backends_as_request_complete_does() {
        const CASES: &str = r#"
            {"type": "KIND"} => 12 missing "backend": a string, the name of a backend
            {"type": "KIND", "backend": null} => 12 missing "backend": a string, the name of a backend
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
        let mut times = vec![now()];
        for message in [r#"{"type": "http_request"}"#; 2] {
            // The next millisecond, so that no two times are the same.
            while now() <= *times.last().expect("there is one") {
                thread::yield_now();
            }
            writeln!(input, r#"{message} {{"type": "stats"}}"#).expect("the program reads");
            let reply = replies.by_ref().nth(1).expect("there are two replies");
            let stats: Value = serde_json::from_str(&reply.expect("UTF-8")).expect("JSON");
            let last_used = &stats["backends"]["a"]["last_used"];
            times.push(last_used.as_u64().expect("it is an integer").into());
        }
        times.push(now());
        assert!(times.is_sorted() && times[1] < times[2], "{times:?}");
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
    "#) }

    rule! { stays_on_one_line_for_any_reader, assert_replies(
        &[],
        "{\"type\": \"echo\", \"echo\": [1,\n2,\r\n3,\r4, \"â\u{2028}\u{2029}\"]}",
        "{\"type\": \"echo_ok\", \"echo\": [1, 2,  3, 4, \"â\\u2028\\u2029\"]}\n",
    ) }

    rule! { may_not_be_missing, assert_refused(r#"
        {"type": "echo"} => 12 missing "echo": any JSON value
    "#) }
}

mod error_texts {
    use super::*;

    rule! { quote_40_characters_on_one_line, assert_refused(r#"
        {"type": "drain", "backend": "1234567890123456789012345678901234567890"} => 20 unknown backend "1234567890123456789012345678901234567890": the pool has "api-1", "api-2"
        {"type": "drain", "backend": "ééééééééééééééééééééééééééééééééééééééééé"} => 20 unknown backend "éééééééééééééééééééééééééééééééééééééééé…": the pool has "api-1", "api-2"
        {"type": "drain", "backend": " a  \"\n"} => 20 unknown backend " a  \"\n": the pool has "api-1", "api-2"
        {"type": 12345678901234567890123456789012345678901} => 12 type must be a string, such as "http_request", not 1234567890123456789012345678901234567890…
        {"type": [1,   2,	3 ]} => 12 type must be a string, such as "http_request", not [1, 2, 3 ]
    "#) }

    rule! { list_at_most_five_names, assert_transcript(&["a", "b", "c", "d", "e", "f", "g"], r#"
        > {"type": "drain", "backend": "z"}
        < {"type": "error", "code": 20, "text": "unknown backend \"z\": the pool has \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more"}
    "#) }

    #[test]
    fn are_short_and_plain_whatever_the_names_are() {
        const MESSAGES: &str = r#"
            {"type": "init", "backends": ["LONG1", "LONG2", "LONG3", "LONG4", "LONG5", "LONG6"]}
            {"type": "http_request", "active_connections": {"LONG7": 1}}
            {"type": "http_request", "active_connections": {"LONG1": "LONG"}}
            {"type": "http_request", "algorithm": "LONG"}
            {"type": "request_complete", "backend": "LONG1"}
            {"type": "init", "backends": ["LONG", "LONG"]}
            {"type": "LONG"}
            {"type": "stats", "msg_id": "LONG", "msg_id": 1}
            {"type": "drain", "backend": "LONG1"} {"type": "drain", "backend": "LONG2"} {"type": "drain", "backend": "LONG3"}
            {"type": "drain", "backend": "LONG4"} {"type": "drain", "backend": "LONG5"} {"type": "drain", "backend": "LONG6"}
            {"type": "http_request"}
        "#;
        for filler in r#"\u0001 \" é \ud83d\ude00 \u007f \u2028 \n"#.split(' ') {
            let replies = run(&[], MESSAGES.replace("LONG", &filler.repeat(100))).replies;
            let replies = replies
                .lines()
                .map(|reply| serde_json::from_str(reply).expect("JSON"));
            let texts = replies.filter_map(|reply: Value| Some(reply["text"].as_str()?.to_owned()));
            let texts: Vec<_> = texts.collect();
            assert_eq!(texts.len(), 8, "{texts:?}");
            for text in texts {
                let is_plain = |c: char| !c.is_control() && c != '\u{2028}';
                assert!(
                    text.chars().count() <= 400 && text.chars().all(is_plain),
                    "{text:?}"
                );
            }
        }
    }
}
