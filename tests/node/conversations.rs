//! What each message does: JSON in, JSON out, one rule a test.

use crate::support::{TWO, assert_transcript};

/// Each of these bodies is refused, bare and in an envelope. A case is one line: the body, `=>`, and the code and a word of
/// the error.
#[track_caller]
fn assert_refused(cases: &str) {
    let mut transcript = String::new();
    for case in cases.trim().lines() {
        let (body, refusal) = case.split_once(" => ").expect("a body => an error");
        let (code, word) = refusal.split_once(' ').expect("a code and a word");
        let error = format!(r#"{{"type": "error", "code": {code}, "text": "…{word}…"}}"#);
        let bare = format!("> {body}\n< {error}\n");
        let sent = format!(r#"> {{"src": "c", "dest": "n", "body": {body}}}"#);
        let reply = format!(r#"< {{"src": "n", "dest": "c", "body": {error}}}"#);
        transcript += &[&bare, &*sent, "\n", &reply, "\n"].concat();
    }
    assert_transcript(&[], &transcript);
}

mod the_envelope {
    use super::*;

    rule! { sends_the_reply_from_dest_to_src, assert_transcript(&[], r#"
        > {"body": {"msg_id": 18446744073709551615, "type": "stats"}, "dest": "n2", "src": ""} {"type": "init", "msg_id": 0}
        < {"src": "n2", "dest": "", "body": {"type": "stats_ok", "in_reply_to": 18446744073709551615, "backends": {}}}
        < {"type": "init_ok", "in_reply_to": 0}
    "#) }

    rule! { may_have_other_keys_whatever_they_hold, assert_transcript(TWO, r#"
        > {"type": "drain", "backend": "api-2", "algorithm": "random", "active_connections": 5, "backends": ["x", "x"], "echo": [], "node_id": 1, "node_ids": {}}
        < {"type": "drain_ok", "backend": "api-2", "active_connections": {"api-1": 0, "api-2": 0}}
        > {"type": "http_request", "method": 1e999, "headers": {"a": 1, "a": "\ud800"}, "body": 5, "body": {"type": 6}, "backend": 1, "backends": 2, "node_id": [], "node_ids": 3, "echo": 1, "echo": 2}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"src": "c", "dest": "n", "body": {"type": "echo", "echo": 1, "src": 5, "src": 6, "dest": "x", "body": "POST", "body": [], "algorithm": null, "algorithm": 1, "backend": 1, "backends": 2, "node_id": 3, "node_ids": 4, "active_connections": 5}}
        < {"src": "n", "dest": "c", "body": {"type": "echo_ok", "echo": 1}}
        > {"id": 7, "src": "c", "dest": "n", "in_reply_to": 1, "msg_id": -1, "type": [], "body": {"type": "init", "backend": [], "echo": 1, "echo": 2}, "id": 8}
        < {"src": "n", "dest": "c", "body": {"type": "init_ok"}}
        > {"type": "stats", "node_id": 1, "node_ids": 2, "backend": 3, "backends": {}, "algorithm": "random", "echo": 4, "echo": 5, "active_connections": {"a": -1}, "in_reply_to": null, "in_reply_to": null, "src": 1, "dest": null}
        < {"type": "stats_ok", "backends": {…}}
    "#) }

    #[test]
    fn may_not_have_other_numbers() {
        for number in r#"-1 1.0 1e3 "1" [] {} true 18446744073709551616"#.split(' ') {
            let msg_id = r#"{"type": "sing", "msg_id": NUMBER} => 12 msg_id"#;
            let count = r#"{"type": "init", "active_connections": {"b": NUMBER}} => 12 b\"#;
            assert_refused(&[msg_id, count].join("\n").replace("NUMBER", number));
        }
    }

    rule! { must_have_the_right_type_in_each_field, assert_refused(r#"
        {"type": "init", "active_connections": {"a": null, "b": 1}} => 12 a\"
        {"type": "http_request", "algorithm": "random", "active_connections": {"b": 9007199254740992}} => 12 b\"
        {"type": "\udead"} => 12 type
        {"type": "init", "backends": ["a", null]} => 12 backends
        {"type": "init", "backends": [], "node_ids": 1e999} => 12 node_ids
        {"type": "http_request", "active_connections": [["a", 1]]} => 12 active_connections
        {"type": "init", "active_connections": {"\udead": 1}} => 12 active_connections
        {"type": "remove", "backend": ["a"]} => 12 backend
        {"type": "drain", "backend": null} => 12 backend
    "#) }

    rule! { counts_null_as_absent, assert_transcript(TWO, r#"
        > {"type": "http_request", "msg_id": null, "algorithm": null, "active_connections": null, "in_reply_to": null}
        < {"type": "http_response", "status": 200, "backend": "api-1", "active_connections": {"api-1": 1, "api-2": 0}}
        > {"src": null, "dest": null, "type": "init", "backends": null, "algorithm": null, "node_id": null, "node_ids": null, "backend": null}
        < {"type": "init_ok"}
        > {"src": "c", "dest": "n", "body": {"type": "echo", "echo": null}}
        < {"src": "n", "dest": "c", "body": {"type": "echo_ok", "echo": null}}
    "#) }

    rule! { must_not_repeat_a_field, assert_refused(r#"
        {"type": "stats", "\u0074ype": "init"} => 12 type
        {"type": "stats", "msg_id": null, "msg_id": null} => 12 msg_id
        {"type": "stats", "msg_id": [], "msg_id": null} => 12 msg_id
        {"type": "init", "backends": null, "backends": ["a"]} => 12 backends
        {"type": "http_request", "algorithm": null, "algorithm": null} => 12 algorithm
        {"type": "init", "node_id": "n", "node_id": "n"} => 12 node_id
        {"type": "init", "node_ids": [], "node_ids": []} => 12 node_ids
        {"type": "drain", "backend": "api-1", "back\u0065nd": "api-1"} => 12 backend
        {"type": "http_request", "active_connections": {}, "active_connections": {}} => 12 active_connections
        {"type": "echo", "echo": null, "echo": null} => 12 echo
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
        &["é😀\u{85}\u{2028}", "\u{1}\u{8}\t\n\u{c}\r\"\\/\u{7f}"], &r#"
        > {"src": "caf\u00e9\u2029", "dest": "\ud83d\ude00\"\\\/\n", "body": {"type": "http_request"}}
        < {"src": "😀\"\\/\n", "dest": "café\u2029", "body": {"type": "http_response", "status": 200, "backend": "é😀\u0085\u2028", "active_connections": {"é😀\u0085\u2028": 1, "\u0001\b\t\n\f\r\"\\/DEL": 0}}}
    "#.replace("DEL", "\u{7f}")) }

    rule! { is_answered_even_without_a_usable_body, assert_transcript(&[], r#"
        > {"src": "c", "dest": "n", "msg_id": 1, "type": "stats"}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "…body…"}}
        > {"src": "c", "dest": "n", "body": 5, "type": "stats_ok", "in_reply_to": 1}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "…body…"}}
        > {"src": "c", "dest": "n", "body": {"msg_id": 1, "type": null, "src": "c"}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 1, "code": 12, "text": "…type…"}}
        > {"src": "c", "dest": "n", "body": {"type": "stats", "msg_id": 1}, "body": {"type": "stats", "msg_id": 2}}
        < {"src": "n", "dest": "c", "body": {"type": "error", "in_reply_to": 2, "code": 12, "text": "…body…"}}
        > {"src": "c", "dest": "n", "body": null, "type": "stats", "msg_id": 1}
        < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "…body…"}}
    "#) }

    rule! { is_any_object_with_strings_for_src_and_dest, assert_transcript(&[], r#"
        > {"src": 5, "src": "c", "dest": "m", "dest": "n", "body": {"type": "stats"}}
        < {"src": "n", "dest": "c", "body": {"type": "stats_ok", "backends": {}}}
        > {"src": 5, "dest": "n", "type": "stats", "msg_id": 1} {"src": "c", "type": "stats", "body": {"type": "error"}}
        < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
        < {"type": "stats_ok", "backends": {}}
        > {"src": "c", "msg_id": 2} {"dest": "n", "body": {"msg_id": 1}} {"msg_id": 3, "body": {"type": null}} {}
        < {"type": "error", "in_reply_to": 2, "code": 12, "text": "…type…"}
        < {"type": "error", "code": 12, "text": "…type…"}
        < {"type": "error", "in_reply_to": 3, "code": 12, "text": "…type…"}
        < {"type": "error", "code": 12, "text": "…type…"}
    "#) }

    rule! { is_answered_if_it_lacks_its_src_or_dest, assert_transcript(&[], r#"
        > {"dest": "n", "body": {"type": "stats", "msg_id": 1}, "msg_id": 9} {"src": null, "dest": "n", "body": {"type": 5, "msg_id": 2}}
        < {"type": "error", "in_reply_to": 1, "code": 12, "text": "…src…"}
        < {"type": "error", "in_reply_to": 2, "code": 12, "text": "…src…"}
        > {"src": "c", "body": {"type": "stats", "msg_id": -1}} {"src": "c", "src": 5, "dest": "n", "body": {"type": "stats"}}
        < {"type": "error", "code": 12, "text": "…dest…"}
        < {"type": "error", "code": 12, "text": "…src…"}
        > {"src": 5, "src": "c", "dest": 5, "type": null, "in_reply_to": 1, "body": {"type": "init", "msg_id": 3}} {"body": {"type": "sing"}}
        < {"type": "error", "in_reply_to": 3, "code": 12, "text": "…dest…"}
        < {"type": "error", "code": 12, "text": "…src…"}
        > {"src": "c", "body": {"type": "init_ok", "msg_id": 1}} {"dest": "n", "body": {"type": "stats", "in_reply_to": 0}}
    "#) }

    rule! { is_not_answered_if_it_is_a_reply, assert_transcript(&[], r#"
        > {"src": "c", "dest": "n", "body": {"type": "init_ok", "in_reply_to": 1}}
        > {"src": "c", "dest": "n", "body": {"in_reply_to": "x"}}
        > {"type": 5, "type": 6, "msg_id": -1, "in_reply_to": {}, "in_reply_to": null}
        > {"type": "http_request", "active_connections": {"a": 0}, "in_reply_to": 0} {"type": "stats", "in_reply_to": false}
        > {"type": "error"} {"type": "http_response"} {"type": "sing_ok"} {"type": "_ok", "msg_id": 1}
        > {"type": "err\u006fr", "msg_id": -1} {"type": "stats_ok", "backends": 5, "backends": 6} {"type": "add_ok", "msg_id": 1, "msg_id": 2}
        > {"src": "c", "dest": "n", "body": {"type": "error"}} {"src": "c", "dest": "n", "body": {"type": "x\u005fok", "echo": 1, "echo": 2}}
        > {"type": "stats", "in_reply_to": null}
        < {"type": "stats_ok", "backends": {}}
    "#) }
}

mod the_pool {
    use super::*;

    rule! { is_what_the_last_report_names_if_it_is_open, assert_transcript(&[], r#"
        > {"type": "http_request"}
        < {"type": "error", "code": 11, "text": "…empty…"}
        > {"type": "http_request", "active_connections": {"b": 1, "a": 1}}
        < {"type": "http_response", "backend": "b"}
        > {"type": "drain", "backend": "a"}
        < {"type": "drain_ok", "backend": "a", "active_connections": {"b": 2, "a": 1}}
        > {"type": "http_request", "active_connections": {"d": 9, "a": 9, "b": 9}}
        < {"type": "http_response", "backend": "d"}
        > {"type": "stats"}
        < {"type": "stats_ok", "backends": {"d": {"active_connections": 10, "total_requests": 1, "last_used": 1, "draining": false}, "a": {"active_connections": 9, "total_requests": 0, "last_used": null, "draining": true}, "b": {"active_connections": 9, "total_requests": 1, "last_used": 1, "draining": false}}}
        > {"type": "http_request", "active_connections": {"d": 5}} {"type": "http_request", "active_connections": {}}
        < {"type": "http_response", "backend": "d"}
        < {"type": "http_response", "backend": "d"}
        > {"type": "http_request", "active_connections": {"a": 0, "d": 9, "b": 9}} {"type": "stats"}
        < {"type": "http_response", "backend": "a"}
        < {"type": "stats_ok", "backends": {"a": {…1, "total_requests": 1, …false}, "d": {…9, "total_requests": 3, …}, "b": {…9, "total_requests": 0, "last_used": null, …}}}
    "#) }

    rule! { is_configured_from_the_first_change_to_the_next_init, assert_transcript(&[], r#"
        > {"type": "http_request", "active_connections": {"a": 0, "b": 5}} {"type": "add", "backend": "a"} {"type": "remove", "backend": "c"}
        < {"type": "http_response", "backend": "a"}
        < {"type": "error", "code": 21, "text": "…a…"}
        < {"type": "error", "code": 20, "text": "…c…"}
        > {"type": "http_request", "active_connections": {"b": 2, "a": 4}} {"type": "add", "backend": "c"}
        < {"type": "http_response", "backend": "b"}
        < {"type": "add_ok", "backend": "c", "active_connections": {"b": 3, "a": 4, "c": 0}}
        > {"type": "http_request", "active_connections": {"b": 2, "d": 0}} {"type": "http_request", "active_connections": {"c": 3, "b": 1}} {"type": "http_request"}
        < {"type": "error", "code": 20, "text": "…d…"}
        < {"type": "http_response", "backend": "b"}
        < {"type": "http_response", "status": 200, "backend": "b", "active_connections": {"b": 3, "a": 4, "c": 3}}
        > {"type": "init"} {"type": "http_request", "active_connections": {"d": 0}} {"type": "remove", "backend": "d"} {"type": "http_request", "active_connections": {"d": 0}}
        < {"type": "init_ok"}
        < {"type": "http_response", "backend": "d"}
        < {"type": "remove_ok", "backend": "d", "active_connections": {}}
        < {"type": "error", "code": 20, "text": "…d…"}
    "#) }
}

mod stats {
    use std::thread;
    use std::time::UNIX_EPOCH;

    use serde_json::Value;

    use crate::support::{Live, STATS};

    #[test]
    fn give_the_time_of_the_last_request_in_milliseconds() {
        let now = || UNIX_EPOCH.elapsed().expect("it is later").as_millis();
        let mut node = Live::start(&["a"]);
        let mut times = vec![now()];
        for kind in ["http_request", "http_request", "request_complete", "drain"] {
            // The next millisecond, so that no two times are the same.
            while now() <= *times.last().expect("there is one") {
                thread::yield_now();
            }
            let message = format!(r#"{{"type": "{kind}", "backend": "a"}}"#);
            node.send(format!("{message} {STATS}\n"));
            node.reply();
            let stats: Value = serde_json::from_str(&node.reply()).expect("it is JSON");
            let last_used = &stats["backends"]["a"]["last_used"];
            times.push(last_used.as_u64().expect("it is an integer").into());
        }
        times.push(now());
        assert!(times.is_sorted() && times[1] < times[2], "{times:?}");
        assert_eq!(times[2..5], [times[2]; 3], "only a request moves it");
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

    #[test]
    fn stays_on_one_line_for_any_reader() {
        // Each character by itself, and its neighbors, which stay as they are.
        const OTHERS: &str = "\"\u{7f}\u{a0}â\u{2027}\u{202a}é😀\"";
        for (echo, written) in [
            ("[1,\n2]", "[1, 2]"),
            ("[1,\r2]", "[1, 2]"),
            ("[1,\r\n\t2]", "[1,  \t2]"),
            ("\"\u{80}\"", "\"\\u0080\""),
            ("\"\u{85}\"", "\"\\u0085\""),
            ("\"\u{9f}\"", "\"\\u009f\""),
            ("\"\u{2028}\"", "\"\\u2028\""),
            ("\"\u{2029}x\"", "\"\\u2029x\""),
            (OTHERS, OTHERS),
        ] {
            let message = format!(r#"{{"type": "echo", "echo": {echo}}}"#);
            let reply = format!(r#"{{"type": "echo_ok", "echo": {written}}}"#);
            assert_replies(&[], message, &(reply + "\n"));
        }
    }
}
