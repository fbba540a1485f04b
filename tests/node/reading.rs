//! How messages are found in the input, and how reading goes on after what is none.

use crate::support::{converse, remark, run};

const STATS: &str = r#"{"type": "stats_ok", "backends": {}}
"#;
const STATS_1: &str = r#"{"type": "stats_ok", "in_reply_to": 1, "backends": {}}
"#;
const STATS_2: &str = r#"{"type": "stats_ok", "in_reply_to": 2, "backends": {}}
"#;
const STATS_OF_C: &str = r#"{"src": "n", "dest": "c", "body": {"type": "stats_ok", "in_reply_to": 9, "backends": {}}}
"#;
/// An envelope that is answered with `STATS_OF_C`.
const ENVELOPE: &str = r#"{"src": "c", "dest": "n", "body": {"type": "stats", "msg_id": 9}}"#;

/// `unreadable`, on the first line and perhaps on more, gets one remark, and the envelope after it its answer.
#[track_caller]
fn dropped(unreadable: impl AsRef<[u8]>, remarks: &str) {
    let mut input = unreadable.as_ref().to_vec();
    input.extend_from_slice(format!("\n{ENVELOPE}\n").as_bytes());
    remark(&[], input, STATS_OF_C, remarks);
}

mod one_message {
    use super::*;

    #[test]
    fn may_be_spread_over_lines_and_blank_lines_do_not_end_it() {
        converse(
            &[],
            "{\n\"type\"\n:\n\n   \n\t\"stats\"\n\n,\"msg_id\"\n:1\n}\n",
            STATS_1,
        );
    }

    #[test]
    fn may_end_in_crlf_on_every_line() {
        converse(
            &[],
            "\r\n{\"type\": \"stats\"}\r\n\r\n{\r\n\"type\":\r\n\"stats\"\r\n}\r\n",
            &STATS.repeat(2),
        );
    }

    #[test]
    fn may_stand_between_blank_lines_and_white_space() {
        converse(&[], "\n \t\r\n\n  \t{\"type\": \"stats\"}  \n\n\n", STATS);
    }

    #[test]
    fn may_follow_a_byte_order_mark() {
        converse(&[], "\u{feff}{\"type\": \"stats\"}\n", STATS);
        converse(&[], "\u{feff}\n{\"type\":\n\"stats\"}\n", STATS);
        converse(&[], "\u{feff} {\"type\":\n\"stats\"}", STATS);
        converse(&[], "\u{feff}", "");
    }

    #[test]
    fn may_not_follow_a_byte_order_mark_elsewhere() {
        remark(
            &[],
            "\n\u{feff}{\"type\": \"stats\"}\n",
            "",
            "least-connections: line 2: cannot read `\u{feff}{\"type\": \"stats\"}`: a message is a JSON object, which begins with {\n",
        );
    }

    #[test]
    fn may_lack_the_last_line_break() {
        converse(&[], "{\"type\": \"stats\"}", STATS);
        converse(&[], "{\"type\":\n\"stats\"}", STATS);
        converse(
            &[],
            "{\"type\": \"stats\"}{\"type\": \"stats\"}",
            &STATS.repeat(2),
        );
    }

    #[test]
    fn may_be_nested_far_deeper_than_any_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        converse(
            &[],
            format!("{{\"type\": \"echo\", \"x\": {deep}, \"echo\": {deep}}}\n"),
            &format!("{{\"type\": \"echo_ok\", \"echo\": {deep}}}\n"),
        );
        let deep = "{\"a\":\n".repeat(100_000) + "0" + &"}".repeat(100_000);
        converse(
            &[],
            format!(
                "{{\"src\": \"c\", \"dest\": \"n\", \"body\": {{\"type\": \"stats\", \"x\": {deep}}}, \"y\": {deep}}}\n"
            ),
            "{\"src\": \"n\", \"dest\": \"c\", \"body\": {\"type\": \"stats_ok\", \"backends\": {}}}\n",
        );
    }
}

mod no_message {
    use super::*;

    #[test]
    fn is_no_input_at_all() {
        converse(&[], "", "");
        converse(&[], "\n", "");
        converse(&[], " \r\n\t", "");
    }
}

mod several_objects_on_a_line {
    use super::*;

    #[test]
    fn are_each_answered() {
        converse(
            &[],
            "{\"type\": \"stats\"}{\"type\": \"stats\", \"msg_id\": 1} {\"type\": \"stats\", \"msg_id\": 2}\n",
            &format!("{STATS}{STATS_1}{STATS_2}"),
        );
    }

    #[test]
    fn may_begin_where_one_of_several_lines_ends() {
        converse(
            &[],
            "{\"type\":\n\"stats\"} {\"type\": \"stats\", \"msg_id\": 1} {\n\"type\": \"stats\",\n\"msg_id\": 2} \n",
            &format!("{STATS}{STATS_1}{STATS_2}"),
        );
    }

    #[test]
    fn are_answered_up_to_what_is_none() {
        remark(
            &[],
            "{\"type\": \"stats\"} {\"type\": \"stats\", \"msg_id\": 1} and {\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg_id\": 2}",
            &format!("{STATS}{STATS_1}{STATS_2}"),
            "least-connections: line 1: cannot read `and {\"type\": \"stats\"}`: a message is a JSON object, which begins with {\n",
        );
        remark(
            &[],
            "{\"type\":\n\"stats\"} 5 {\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg_id\": 2}",
            &format!("{STATS}{STATS_2}"),
            "least-connections: line 2: cannot read `5 {\"type\": \"stats\"}`: a message is a JSON object, which begins with {\n",
        );
        remark(
            &[],
            "{\"type\": \"stats\"}{\"type\": stats}{\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg_id\": 2}",
            &format!("{STATS}{STATS_2}"),
            "least-connections: line 1: cannot read `{\"type\": stats}{\"type\": \"stats\"}`: expected a value (text in double quotes, a number, true, false, null, [ or {) at line 1, column 27, before `stats}{\"type\": \"stats\"}`\n",
        );
        remark(
            &[],
            b"{\"type\": \"stats\"}{\"type\": \"\xff\"}{\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg_id\": 2}",
            &format!("{STATS}{STATS_2}"),
            "least-connections: line 1: cannot read `{\"type\": \"\u{fffd}\"}{\"type\": \"stats\"}`: it is not UTF-8\n",
        );
        remark(
            &[],
            b"{\"type\": \"stats\"}\xff\n{\"type\": \"stats\", \"msg_id\": 2}",
            &format!("{STATS}{STATS_2}"),
            "least-connections: line 1: cannot read `\u{fffd}`: a message is a JSON object, which begins with {\n",
        );
    }

    #[test]
    fn may_be_unanswerable_each_by_itself() {
        remark(
            &[],
            "{} {\"type\": \"stats\"} {\"type\": \"x\", \"in_reply_to\": 1}\n",
            STATS,
            "least-connections: line 1: no answer to `{}`: it has neither src and dest, as an envelope does, nor a type, as a bare body does
least-connections: line 1: no answer to `{\"type\": \"x\", \"in_reply_to\": 1}`: it is itself a reply: its body has in_reply_to\n",
        );
    }
}

mod text_that_cannot_become_a_message {
    use super::*;

    #[test]
    fn is_dropped_at_the_end_of_its_line_with_what_would_be_right() {
        const KEY: &str = "expected a key in double quotes (and no comma after the last entry)";
        const VALUE: &str =
            "expected a value (text in double quotes, a number, true, false, null, [ or {)";
        const WORD: &str = "expected true, false or null";
        const NUMBER: &str =
            "expected a number without a leading zero, and with a digit after . or e";
        const ESCAPE: &str =
            r#"expected one of \" \\ \/ \b \f \n \r \t \u and four digits after \u"#;
        const QUOTE: &str = r#"expected the closing " of a text (a tab in it is written \t)"#;
        for (text, why, column, found) in [
            (r#"{"a" 1}"#, "expected `:`", 6, "1}"),
            ("{'a': 1}", KEY, 2, "'a': 1}"),
            (r#"{"a": 1,}"#, KEY, 9, "}"),
            (r#"{"a": 'x'}"#, VALUE, 7, "'x'}"),
            (r#"{"a": True}"#, VALUE, 7, "True}"),
            (r#"{"a": [}"#, VALUE, 8, "}"),
            (r#"{"é": nul}"#, WORD, 10, "}"),
            (r#"{"a": 01}"#, NUMBER, 8, "1}"),
            (r#"{"a": 1.}"#, NUMBER, 9, "}"),
            (r#"{"a": 1 2}"#, "expected `,` or `}`", 9, "2}"),
            (r#"{"a": [1 2]}"#, "expected `,` or `]`", 10, "2]}"),
            (r#"{"a": "\q"}"#, ESCAPE, 9, "q\"}"),
            (r#"{"a": "\u00g0"}"#, ESCAPE, 13, "0\"}"),
            ("{\"a\": \"\tb\"}", QUOTE, 8, "b\"}"),
        ] {
            let text_shown = text.replace('\t', " ");
            dropped(
                text,
                &format!(
                    "least-connections: line 1: cannot read `{text_shown}`: {why} at line 1, column {column}, before `{found}`\n"
                ),
            );
        }
        for (text, why) in [
            (r#"{"a": "b"#, QUOTE),
            (r#"{"a"#, QUOTE),
            (r#"{"a": "\"#, ESCAPE),
            (r#"{"a": tru"#, WORD),
            (r#"{"a": -"#, NUMBER),
            (r#"{"a": 1."#, NUMBER),
            (r#"{"a": 1e"#, NUMBER),
        ] {
            let column = text.len() + 1;
            dropped(
                text,
                &format!(
                    "least-connections: line 1: cannot read `{text}`: {why} at line 1, column {column}, where the line ends\n"
                ),
            );
        }
    }

    #[test]
    fn is_anything_but_an_object() {
        for text in [
            "garbage",
            "5",
            "\"text\"",
            "null",
            "[",
            "[{\"type\": \"stats\"}]",
            "}",
            ",",
            "\u{c}",
            "\u{a0}",
            "\u{0}",
        ] {
            let shown = text.replace(['\u{c}', '\u{0}'], "\u{fffd}");
            dropped(
                text,
                &format!(
                    "least-connections: line 1: cannot read `{shown}`: a message is a JSON object, which begins with {{\n"
                ),
            );
        }
    }

    #[test]
    fn is_what_is_not_utf8() {
        for text in [
            &b"{\"type\": \"caf\xe9\"}"[..],
            b"{\"type\": \"\xed\xa0\x80\"}",
            b"{\"type\": \"\xc0\xaf\"}",
            b"{\"\xff\": 1}",
        ] {
            let shown = String::from_utf8_lossy(text);
            dropped(
                text,
                &format!("least-connections: line 1: cannot read `{shown}`: it is not UTF-8\n"),
            );
        }
        dropped(
            b"{\"type\": \xff}",
            "least-connections: line 1: cannot read `{\"type\": \u{fffd}}`: expected a value (text in double quotes, a number, true, false, null, [ or {) at line 1, column 10, before `\u{fffd}}`\n",
        );
        remark(
            &[],
            b"{\"type\": \"caf\xc3",
            "",
            "least-connections: line 1: cannot read `{\"type\": \"caf\u{fffd}`: it is not UTF-8\n",
        );
    }
}

mod text_that_goes_wrong_on_a_later_line {
    use super::*;

    #[test]
    fn is_dropped_and_that_line_is_read_afresh() {
        remark(
            &[],
            "{\"type\": \"stats\"\n{\"type\": \"stats\"}\n{\"type\": \"stats\", \"msg_id\": 1}\n",
            &format!("{STATS}{STATS_1}"),
            "least-connections: line 1: cannot read `{\"type\": \"stats\"`: expected `,` or `}` at line 2, column 1, before `{\"type\": \"stats\"}`\n",
        );
    }

    #[test]
    fn gets_a_second_remark_where_that_line_is_unreadable_by_itself() {
        dropped(
            "\n{\"a\":\n1\n]",
            "least-connections: line 2: cannot read `{\"a\": 1`: expected `,` or `}` at line 4, column 1, before `]`
least-connections: line 4: cannot read `]`: a message is a JSON object, which begins with {\n",
        );
    }

    #[test]
    fn may_leave_a_line_with_several_messages_and_the_beginning_of_one() {
        remark(
            &[],
            "{\"a\": 1\n{\"type\": \"stats\"} {\"type\": \"stats\", \"msg_id\": 1} {\"type\":\n\"stats\", \"msg_id\": 2}\n",
            &format!("{STATS}{STATS_1}{STATS_2}"),
            "least-connections: line 1: cannot read `{\"a\": 1`: expected `,` or `}` at line 2, column 1, before `{\"type\": \"stats\"} {\"type\": \"stats\", \"msg…`\n",
        );
    }

    #[test]
    fn may_begin_behind_a_message() {
        remark(
            &[],
            "{\"type\": \"stats\"} {\"a\":\n{\"b\":\n}\n{\"type\": \"stats\", \"msg_id\": 1}\n",
            &format!("{STATS}{STATS_1}"),
            "least-connections: line 1: cannot read `{\"a\": {\"b\":`: expected a value (text in double quotes, a number, true, false, null, [ or {) at line 3, column 1, before `}`
least-connections: line 3: cannot read `}`: a message is a JSON object, which begins with {\n",
        );
    }

    #[test]
    fn is_dropped_at_the_first_line_that_is_not_utf8() {
        remark(
            &[],
            b"{\"a\":\n\"\xff\",\n\"type\": \"stats\"}\n{\"type\": \"stats\"}\n",
            STATS,
            "least-connections: line 1: cannot read `{\"a\":`: it is not UTF-8
least-connections: line 2: cannot read `\"\u{fffd}\",`: a message is a JSON object, which begins with {
least-connections: line 3: cannot read `\"type\": \"stats\"}`: a message is a JSON object, which begins with {\n",
        );
        remark(
            &[],
            b"{\"a\":\n\"\xff\"}\n{\"type\": \"stats\"}\n",
            STATS,
            "least-connections: line 1: cannot read `{\"a\":`: it is not UTF-8
least-connections: line 2: cannot read `\"\u{fffd}\"}`: a message is a JSON object, which begins with {\n",
        );
    }
}

mod an_unfinished_message {
    use super::*;

    #[test]
    fn gives_way_to_a_whole_envelope() {
        for unfinished in [
            "{",
            "{\"a\":",
            "{\"type\": \"echo\", \"echo\": [",
            "{\"src\": \"c\",",
        ] {
            dropped(
                unfinished,
                &format!(
                    "least-connections: line 1: cannot read `{unfinished}`: its closing }} is missing where a whole message follows on line 2\n"
                ),
            );
        }
    }

    #[test]
    fn gives_way_to_an_envelope_even_where_that_would_fit_into_it() {
        remark(
            &[],
            format!("{{\"type\": \"echo\", \"echo\": [\n{ENVELOPE}\n]}}\n{{\"type\": \"stats\"}}\n"),
            &format!("{STATS_OF_C}{STATS}"),
            "least-connections: line 1: cannot read `{\"type\": \"echo\", \"echo\": [`: its closing } is missing where a whole message follows on line 2
least-connections: line 3: cannot read `]}`: a message is a JSON object, which begins with {\n",
        );
    }

    #[test]
    fn gives_way_to_an_envelope_with_white_space_around_it_and_a_body_of_any_kind() {
        remark(
            &[],
            "{\n \t{\"body\": 5, \"dest\": \"n\", \"src\": \"c\"} \r\n",
            "{\"src\": \"n\", \"dest\": \"c\", \"body\": {\"type\": \"error\", \"code\": 12, \"text\": \"body must be an object with a type, not 5\"}}\n",
            "least-connections: line 1: cannot read `{`: its closing } is missing where a whole message follows on line 2\n",
        );
    }

    #[test]
    fn holds_everything_else() {
        for inside in [
            r#"{"type": "stats"}"#,
            r#"{"src": "c", "dest": "n"}"#,
            r#"{"src": "c", "dest": 5, "body": {}}"#,
            r#"{"src": null, "dest": "n", "body": {}}"#,
            r#"{"src": "c", "src": "c", "dest": "n", "body": {}}"#,
        ] {
            converse(
                &[],
                format!("{{\"type\": \"echo\", \"echo\": [\n{inside}\n]}}\n"),
                &format!("{{\"type\": \"echo_ok\", \"echo\": [ {inside} ]}}\n"),
            );
        }
        converse(
            &[],
            format!("{{\"type\": \"echo\", \"echo\": [\n{ENVELOPE},\n0, {ENVELOPE}]}}\n"),
            &format!("{{\"type\": \"echo_ok\", \"echo\": [ {ENVELOPE}, 0, {ENVELOPE}]}}\n"),
        );
    }

    #[test]
    fn is_cut_off_by_the_end_of_the_input() {
        remark(
            &[],
            "{\"type\": \"stats\"}\n{\"type\":\n\"sta",
            STATS,
            "least-connections: line 2: cannot read `{\"type\": \"sta`: its closing } is missing where the input ends\n",
        );
    }
}

mod a_message_of_16_mib {
    use super::*;

    const MAX: usize = 16 << 20;

    /// A bare `echo` of so many bytes, with white space for line breaks where there are any.
    fn echo(bytes: usize, filling: &str) -> String {
        let (begin, end) = ("{\"type\": \"echo\", \"x\": [", "], \"echo\": 1}");
        let mut text = String::with_capacity(bytes);
        text.push_str(begin);
        while !filling.is_empty() && text.len() + filling.len() + end.len() <= bytes {
            text.push_str(filling);
        }
        while text.len() + end.len() < bytes {
            text.push(' ');
        }
        text.push_str(end);
        text
    }

    #[track_caller]
    fn answered(input: &str) {
        let said = run(&[], input);
        assert_eq!(
            said.replies,
            "{\"type\": \"echo_ok\", \"echo\": 1}\n{\"type\": \"stats_ok\", \"backends\": {}}\n"
        );
        assert_eq!((said.remarks.as_str(), said.status), ("", Some(0)));
    }

    #[track_caller]
    fn too_long(input: &str) {
        let said = run(&[], input);
        assert_eq!(said.replies, STATS);
        assert!(
            said.remarks
                .starts_with("least-connections: line 1: cannot read `{\"type\": \"echo\"")
                && said
                    .remarks
                    .ends_with("`: it is longer than 16 MiB, the most for a message\n")
                && said.remarks.lines().count() == 1,
            "{}",
            said.remarks
        );
        assert_eq!(said.status, Some(0));
    }

    #[test]
    fn is_answered_and_one_byte_more_is_too_long_on_a_line_of_its_own() {
        let stats = "{\"type\": \"stats\"}";
        answered(&format!("{}\n{stats}", echo(MAX, " ")));
        answered(&format!("{}\r\n{stats}", echo(MAX, " ")));
        answered(&format!("  {}  {stats}", echo(MAX, " ")));
        too_long(&format!("{}\n{stats}", echo(MAX + 1, " ")));
        too_long(&format!("{} {stats}\n{stats}", echo(MAX + 1, " ")));
    }

    #[test]
    fn is_answered_and_one_byte_more_is_too_long_over_many_lines() {
        let lines = format!("{}\n", " ".repeat(999));
        let stats = "{\"type\": \"stats\"}";
        answered(&format!("{}\n{stats}", echo(MAX, &lines)));
        too_long(&format!("{}\n{stats}", echo(MAX + 1, &lines)));
    }

    #[test]
    fn is_found_behind_any_amount_of_white_space_and_before_any_amount_of_other_text() {
        let white = " ".repeat(MAX + MAX / 2);
        answered(&format!(
            "{white}{}{white}\n{white}{{\"type\": \"stats\"}}",
            echo(1000, " ")
        ));
        let said = run(
            &[],
            format!("{{\"type\": \"stats\"}}{}\n{ENVELOPE}", "x".repeat(2 * MAX)),
        );
        assert_eq!(said.replies, format!("{STATS}{STATS_OF_C}"));
        assert_eq!(
            said.remarks,
            format!(
                "least-connections: line 1: cannot read `{}…`: a message is a JSON object, which begins with {{\n",
                "x".repeat(40)
            )
        );
    }

    #[test]
    fn is_one_of_many_on_a_line_that_is_longer() {
        let count = 3 * MAX / 1000;
        let line = echo(1000, "")
            .replace("\"x\": [", "\"x\": [\"é\"")
            .repeat(count);
        let said = run(&[], format!("{line}\n{{\"type\": \"stats\"}}\n"));
        assert_eq!(said.remarks, "");
        assert_eq!(
            said.replies,
            "{\"type\": \"echo_ok\", \"echo\": 1}\n".repeat(count) + STATS
        );
    }

    #[test]
    fn gives_way_to_an_envelope_of_the_same_length() {
        let filling = " ".repeat(MAX - ENVELOPE.len());
        let envelope = ENVELOPE.replace("{\"src\"", &format!("{{{filling}\"src\""));
        assert_eq!(envelope.len(), MAX);
        let said = run(
            &[],
            format!("{}\n{envelope}\r\n", &echo(MAX - 1, " ")[..MAX - 20]),
        );
        assert_eq!(said.replies, STATS_OF_C);
        assert!(
            said.remarks
                .ends_with("`: its closing } is missing where a whole message follows on line 2\n")
        );
    }

    #[test]
    fn that_is_too_long_takes_no_line_after_it() {
        let stats = "{\"type\": \"stats\"}\n";
        // The byte that is too many is the line break, or the first of the next line.
        let unfinished = echo(MAX + 20, " ");
        for length in [MAX - 1, MAX, MAX + 1] {
            let said = run(
                &[],
                format!("{}\n{ENVELOPE}\n{stats}", &unfinished[..length]),
            );
            assert_eq!(
                said.replies,
                format!("{STATS_OF_C}{STATS}"),
                "{length} bytes"
            );
            assert_eq!(said.remarks.lines().count(), 1, "{length} bytes");
        }
    }
}
