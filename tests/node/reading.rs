//! How messages are found in the input, and how reading goes on after input that is not one.

use crate::support::{assert_output, assert_replies, assert_transcript, run, with_prefix};

/// A message, and its reply.
const STATS: &str = r#"{"type": "stats"}"#;
const STATS_OK: &str = "{\"type\": \"stats_ok\", \"backends\": {}}\n";

/// An envelope, and its reply.
const ENVELOPE: &str = r#"{"src": "c", "dest": "n", "body": {"type": "stats"}}"#;
const ENVELOPE_OK: &str =
    "{\"src\": \"n\", \"dest\": \"c\", \"body\": {\"type\": \"stats_ok\", \"backends\": {}}}\n";

/// The task's second sample.
const SAMPLE: &str = include_str!("../samples/tie.json");
const SAMPLE_OK: &str = include_str!("../samples/tie.expected.jsonl");

/// `unreadable` gets just this warning, and the messages after it are answered.
#[track_caller]
fn assert_warning(unreadable: impl AsRef<[u8]>, warning: &str) {
    let mut input = unreadable.as_ref().to_vec();
    input.extend_from_slice(format!("\n{ENVELOPE}\n{STATS}\n").as_bytes());
    assert_output(&[], input, &format!("{ENVELOPE_OK}{STATS_OK}"), warning);
}

mod a_message {
    use super::*;

    #[test]
    fn may_span_lines_and_blank_lines_do_not_end_it() {
        let input = "{\n\"type\"\n:\n\n   \n\t\"stats\"\n\n}\n";
        assert_replies(&[], input, STATS_OK);
    }

    #[test]
    fn may_have_crlf_on_every_line() {
        let input = "\r\n{\"type\": \"stats\"}\r\n\r\n{\r\n\"type\":\r\n\"stats\"\r\n}\r\n";
        assert_replies(&[], input, &STATS_OK.repeat(2));
    }

    #[test]
    fn may_have_blank_lines_and_white_space_around_it() {
        assert_replies(&[], format!("\n \t\r\n\n  \t{STATS}  \n\n\n"), STATS_OK);
    }

    #[test]
    fn may_follow_a_byte_order_mark_at_the_start() {
        assert_replies(&[], format!("\u{feff}{STATS}"), STATS_OK);
        assert_replies(&[], format!("\u{feff}\n{STATS}"), STATS_OK);
        assert_replies(&[], "\u{feff} {\"type\":\n\"stats\"}", STATS_OK);
        assert_replies(&[], "\u{feff}", "");
        assert_warning(
            "\n\u{feff}{}",
            "line 2: not a JSON object, which starts with { (skipping to the next one): `\u{feff}{}`",
        );
    }

    #[test]
    fn may_lack_its_last_line_break() {
        assert_replies(&[], STATS, STATS_OK);
        assert_replies(&[], "{\"type\":\n\"stats\"}", STATS_OK);
        assert_replies(&[], STATS.repeat(2), &STATS_OK.repeat(2));
    }

    #[test]
    fn may_be_nested_deeper_than_any_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_replies(
            &[],
            format!(r#"{{"type": "echo", "x": {deep}, "echo": {deep}}}"#),
            &format!("{{\"type\": \"echo_ok\", \"echo\": {deep}}}\n"),
        );
        let deep = "{\"a\":\n".repeat(100_000) + "0" + &"}".repeat(100_000);
        let body = format!(r#"{{"type": "stats", "x": {deep}}}"#);
        assert_replies(
            &[],
            format!(r#"{{"src": "c", "dest": "n", "body": {body}, "y": {deep}}}"#),
            ENVELOPE_OK,
        );
        let deep = r#"{"body":"#.repeat(100_000) + "0" + &"}".repeat(100_000);
        assert_replies(
            &[],
            format!(r#"{{"src": "c", "dest": "n", "body": {body}, "x": {deep}}}"#),
            ENVELOPE_OK,
        );
    }

    #[test]
    fn is_not_needed() {
        for input in ["", "\n", " \r\n\t"] {
            assert_replies(&[], input, "");
        }
    }
}

mod several_objects_on_a_line {
    use super::*;

    #[test]
    fn are_each_answered() {
        assert_replies(
            &[],
            format!("{STATS}{STATS} {STATS}\n"),
            &STATS_OK.repeat(3),
        );
    }

    #[test]
    fn may_begin_and_end_in_the_middle_of_lines() {
        let input = "{\"type\":\n\"stats\"} {\"type\": \"stats\"} {\n\"type\": \"stats\"} \n";
        assert_replies(&[], input, &STATS_OK.repeat(3));
    }

    #[test]
    fn are_answered_up_to_the_first_that_is_not_one() {
        for (junk, warning) in [
            (
                "and {}",
                "not a JSON object, which starts with { (skipping to the next one): `and {}`",
            ),
            (
                "5",
                "not a JSON object, which starts with { (skipping to the next one): `5`",
            ),
            (
                "[{}]",
                "not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[{}]`",
            ),
            ("{x}{}", "keys need double quotes: `x}{}`"),
        ] {
            let column = if junk.starts_with('{') { 20 } else { 19 };
            assert_warning(
                format!("{STATS} {junk}"),
                &format!("line 1, column {column}: {warning}"),
            );
        }
    }

    /// As `assert_warning`, for a line that begins with a message.
    #[track_caller]
    fn assert_warning(line: impl AsRef<[u8]>, warning: &str) {
        let mut input = line.as_ref().to_vec();
        input.extend_from_slice(format!("\n{STATS}\n").as_bytes());
        assert_output(&[], input, &STATS_OK.repeat(2), warning);
    }

    #[test]
    fn are_answered_up_to_what_is_not_utf8() {
        let warning = "line 1, column 19: not UTF-8: `\u{fffd}{}`";
        assert_warning([STATS.as_bytes(), b" \xff{}"].concat(), warning);
        let warning = "line 1, column 25: not UTF-8: `\u{fffd}\"}{}`";
        assert_warning([STATS.as_bytes(), b" {\"a\":\"\xff\"}{}"].concat(), warning);
    }

    #[test]
    fn may_be_unanswerable_each_by_itself() {
        assert_transcript(
            &[],
            r#"
            > {} {"type": "stats"} {"type": "x", "in_reply_to": 1}
            < {"type": "stats_ok", "backends": {}}
            ! line 1: not answered: no "type", and no "src" and "dest": `{}`
            ! line 1: not answered: it is a reply itself (it has in_reply_to): `{"type": "x", "in_reply_to": 1}`
            "#,
        );
    }
}

mod the_warning {
    use super::*;

    #[test]
    fn has_the_first_byte_that_no_json_could_have() {
        for (line, column, warning) in [
            (r#"{"a" 1}"#, 6, "expected `:`: `1}`"),
            ("{'a': 1}", 2, "keys need double quotes: `'a': 1}`"),
            (r#"{"a": 1,}"#, 9, "remove the comma before }: `}`"),
            (r#"{"a": 'x'}"#, 7, "expected a JSON value: `'x'}`"),
            (r#"{"a": True}"#, 7, "expected a JSON value: `True}`"),
            (r#"{"a": [}"#, 8, "expected a JSON value: `}`"),
            (r#"{"é": nul}"#, 10, "expected true, false or null: `}`"),
            (r#"{"a": 01}"#, 8, "invalid number: `1}`"),
            (r#"{"a": 1.}"#, 9, "invalid number: `}`"),
            (r#"{"a": 1 2}"#, 9, "expected `,` or `}`: `2}`"),
            (r#"{"a": [1 2]}"#, 10, "expected `,` or `]`: `2]}`"),
            (
                r#"{"a": "\q"}"#,
                9,
                r#"invalid escape (write \\ for a backslash): `q"}`"#,
            ),
            (
                r#"{"\q": 1}"#,
                4,
                r#"invalid escape (write \\ for a backslash): `q": 1}`"#,
            ),
            (
                "{\"a\": \"\tb\"}",
                8,
                r#"raw control character in a string (write \t for a tab): `b"}`"#,
            ),
            (
                "{\"a\tb\": 1}",
                4,
                r#"raw control character in a string (write \t for a tab): `b": 1}`"#,
            ),
            (
                "{\"é\u{1f}\": \u{fe}}",
                4,
                "raw control character in a string (write \\t for a tab): `\u{fffd}\": \u{fe}}`",
            ),
        ] {
            assert_warning(line, &format!("line 1, column {column}: {warning}"));
        }
    }

    #[test]
    fn quotes_nothing_if_the_line_ends_at_the_mistake() {
        for (line, warning) in [
            (r#"{"a": "b"#, "missing closing quote"),
            (r#"{"a"#, "missing closing quote"),
            (r#"{"a": "\"#, r"invalid escape (write \\ for a backslash)"),
            (r#"{"a": tru"#, "expected true, false or null"),
            (r#"{"a": -"#, "invalid number"),
            (r#"{"a": 1."#, "invalid number"),
            (r#"{"a": 1e"#, "invalid number"),
        ] {
            let column = line.chars().count() + 1;
            let warning = format!("line 1, column {column}: {warning}");
            assert_warning(line, &warning);
            assert_warning(format!("{line}\r"), &warning);
        }
    }

    #[test]
    fn has_the_first_byte_of_a_u_escape_that_is_no_digit() {
        const ESCAPE: &str = r"invalid escape (write \\ for a backslash)";
        for (line, column, found) in [
            (r#"{"a":"\ux123"}"#, 9, r#": `x123"}`"#),
            (r#"{"a":"\u12x3"}"#, 11, r#": `x3"}`"#),
            (r#"{"a":"\u00e9\u00g9"}"#, 17, r#": `g9"}`"#),
            (r#"{"a":"\\u\u"}"#, 12, r#": `"}`"#),
            (r#"{"type":"echo","echo":"\u"}"#, 26, r#": `"}`"#),
            (r#"{"\u00": 1}"#, 7, r#": `": 1}`"#),
            (r#"{"a":"\u"#, 9, ""),
            (r#"{"a":"\u0"#, 10, ""),
            (r#"{"a":"\u000"#, 12, ""),
        ] {
            assert_warning(line, &format!("line 1, column {column}: {ESCAPE}{found}"));
        }
    }

    #[test]
    fn says_that_it_is_not_an_object() {
        const NOT: &str =
            "line 1: not a JSON object, which starts with { (skipping to the next one)";
        for line in ["hello", "5", "\"s\"", "null", "}", ",", "\u{a0}", "  hello"] {
            assert_warning(line, &format!("{NOT}: `{}`", line.trim_start_matches(' ')));
        }
        assert_warning("\u{c}", &format!("{NOT}: `\u{fffd}`"));
        assert_warning(
            r#"[{"type": "stats"}]"#,
            r#"line 1: not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[{"type": "stats"}]`"#,
        );
    }

    #[test]
    fn has_the_first_byte_that_is_not_utf8() {
        for (line, column, found) in [
            (&b"{\"type\": \"caf\xe9\"}"[..], 14, "\u{fffd}\"}"),
            (
                b"{\"type\": \"\xed\xa0\x80\"}",
                11,
                "\u{fffd}\u{fffd}\u{fffd}\"}",
            ),
            (b"{\"type\": \"\xc0\xaf\"}", 11, "\u{fffd}\u{fffd}\"}"),
            (b"{\"\xff\": x}", 3, "\u{fffd}\": x}"),
            (b"{\"type\": \xff}", 10, "\u{fffd}}"),
            (b"\xff", 1, "\u{fffd}"),
            (b"{\"type\": \"caf\xc3", 14, "\u{fffd}"),
        ] {
            assert_warning(
                line,
                &format!("line 1, column {column}: not UTF-8: `{found}`"),
            );
        }
        assert_warning(
            b"{x, \"\xff\"}",
            "line 1, column 2: keys need double quotes: `x, \"\u{fffd}\"}`",
        );
    }

    #[test]
    fn does_not_count_the_byte_order_mark() {
        assert_warning(
            "\u{feff}{x}",
            "line 1, column 2: keys need double quotes: `x}`",
        );
    }

    #[test]
    fn suspects_utf16_if_the_line_has_a_nul_byte() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let output = run(&[], utf16("{\"type\": \"stats\"}\n{\"type\": \"stats\"}\n"));
        let warning =
            "line 1, column 2: keys need double quotes (a file in UTF-16? save it as UTF-8): ";
        assert!(output.warnings.starts_with(with_prefix(warning).trim_end()));
        assert_eq!(output.warnings.lines().count(), 1);
        let output = run(&[], utf16("\u{feff}{\"type\": \"stats\"}\n"));
        let warning = "line 1, column 1: not UTF-8 (a file in UTF-16? save it as UTF-8): ";
        assert!(output.warnings.starts_with(with_prefix(warning).trim_end()));
    }
}

mod an_object_that_goes_wrong_on_a_later_line {
    use super::*;

    #[test]
    fn is_dropped_and_that_line_is_read_again() {
        assert_transcript(
            &[],
            r#"
            > {"type": "stats"
            > {"type": "stats"} {"type": "stats", "msg_id": 1} {"type":
            > "stats", "msg_id": 2}
            < {"type": "stats_ok", "backends": {}}
            < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
            < {"type": "stats_ok", "in_reply_to": 2, "backends": {}}
            ! line 2, column 1, in the message from line 1: expected `,` or `}` (is a } missing above?): `{"type": "stats"} {"type": "stats", "msg…`
            "#,
        );
    }

    #[test]
    fn gets_no_second_warning_for_the_same_place() {
        assert_transcript(
            &[],
            r#"
            > {"a":
            > {"b": x}
            > {"a": [
            > {"type": "stats"} x
            > {"type": "stats", "msg_id": 1}
            < {"type": "stats_ok", "backends": {}}
            < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
            ! line 2, column 7, in the message from line 1: expected a JSON value: `x}`
            ! line 4, column 19, in the message from line 3: expected `,` or `]`: `x`
            "#,
        );
    }

    #[test]
    fn gets_a_second_warning_for_another_place() {
        assert_transcript(
            &[],
            r#"
            > {"a": 1
            > {"b": x}
            > {"a": 1
            > {"type": "stats"} x
            < {"type": "stats_ok", "backends": {}}
            ! line 2, column 1, in the message from line 1: expected `,` or `}` (is a } missing above?): `{"b": x}`
            ! line 2, column 7: expected a JSON value: `x}`
            ! line 4, column 1, in the message from line 3: expected `,` or `}` (is a } missing above?): `{"type": "stats"} x`
            ! line 4, column 19: not a JSON object, which starts with { (skipping to the next one): `x`
            "#,
        );
    }

    #[test]
    fn gets_its_warning_at_the_end_of_that_line() {
        assert_transcript(
            &[],
            r#"
            > {"a":"\u
            > {
            > "type": "stats", "msg_id": 2}
            > {"x":[
            > {"type":"stats","msg_id":1}, "\u00
            >
            < {"type": "stats_ok", "in_reply_to": 2, "backends": {}}
            < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
            ! line 1, column 9: invalid escape (write \\ for a backslash)
            ! line 5, column 35, in the message from line 4: invalid escape (write \\ for a backslash)
            ! line 5, column 28: not a JSON object, which starts with { (skipping to the next one): `, "\u00`
            "#,
        );
    }

    #[test]
    fn may_begin_behind_a_message() {
        assert_transcript(
            &[],
            r#"
            > {"type": "stats"} {"a":
            > {"b":
            > }
            > {"type": "stats", "msg_id": 1}
            < {"type": "stats_ok", "backends": {}}
            < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
            ! line 3, column 1, in the message from line 1: expected a JSON value: `}`
            "#,
        );
    }

    #[test]
    fn is_dropped_at_the_first_line_that_is_not_utf8() {
        assert_output(
            &[],
            format!("{{\"a\":\n\"?\",\n\"b\": x}}\n{STATS}")
                .bytes()
                .map(|byte| if byte == b'?' { 0xff } else { byte })
                .collect::<Vec<_>>(),
            STATS_OK,
            "line 2, column 2, in the message from line 1: not UTF-8: `\u{fffd}\",`",
        );
    }
}

mod one_mistake {
    use super::*;

    /// The sample with one line replaced gets one warning, and the two messages after it are answered.
    #[track_caller]
    fn assert_one_warning(index: usize, line: &str) {
        let mut lines: Vec<_> = SAMPLE.lines().collect();
        lines[index] = line;
        let output = run(&[], format!("{}\n{SAMPLE}{STATS}\n", lines.join("\n")));
        let warnings = output.warnings.lines().count();
        assert_eq!(warnings, 1, "line {index} is {line}:\n{}", output.warnings);
        let stats = "{\"type\": \"stats_ok\"";
        let replies: Vec<_> = output.replies.lines().collect();
        assert_eq!(format!("{}\n", replies[0]), SAMPLE_OK, "{line}");
        assert!(
            replies.len() == 2 && replies[1].starts_with(stats),
            "{line}"
        );
    }

    #[test]
    fn in_any_place_of_the_sample_gets_one_warning() {
        for (index, line) in SAMPLE.lines().enumerate() {
            for (at, _) in line.match_indices(['{', '}', '"', ',', ':']) {
                let (before, after) = (&line[..at], &line[at + 1..]);
                for typo in ["x", ";", "'", "\\", "\u{7}"] {
                    assert_one_warning(index, &format!("{before}{typo}{after}"));
                }
                // Without its last brace, the message goes on until the next one begins: see below.
                if index + 1 < SAMPLE.lines().count() {
                    assert_one_warning(index, &format!("{before}{after}"));
                }
            }
        }
    }

    #[test]
    fn in_the_last_brace_of_the_sample_gets_one_warning() {
        let unfinished = SAMPLE.trim_end().trim_end_matches('}').trim_end();
        assert_output(
            &[],
            format!("{unfinished}\n{ENVELOPE}\n{SAMPLE}"),
            &format!("{ENVELOPE_OK}{SAMPLE_OK}"),
            "line 1: unfinished message, a new one starts on line 15: `{ \"src\": \"client\", \"dest\": \"lb\", \"body\":…`",
        );
        assert_output(
            &[],
            format!("{unfinished}\n{SAMPLE}"),
            SAMPLE_OK,
            "line 15, column 1, in the message from line 1: expected `,` or `}` (is a } missing above?): `{`",
        );
    }

    #[test]
    fn is_a_file_that_is_not_json() {
        let manifest = include_str!("../../Cargo.toml");
        assert_output(
            &[],
            format!("{manifest}\n{SAMPLE}"),
            SAMPLE_OK,
            "line 1: not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[package]`",
        );
    }

    #[test]
    fn is_over_at_the_next_object() {
        assert_transcript(
            &[],
            r#"
            > one
            > two
            >   {"type": "stats"} three
            > four
            > {}
            > five
            < {"type": "stats_ok", "backends": {}}
            ! line 1: not a JSON object, which starts with { (skipping to the next one): `one`
            ! line 3, column 21: not a JSON object, which starts with { (skipping to the next one): `three`
            ! line 5: not answered: no "type", and no "src" and "dest": `{}`
            ! line 6: not a JSON object, which starts with { (skipping to the next one): `five`
            "#,
        );
    }

    #[test]
    fn of_a_list_over_many_lines_hides_none_of_its_messages() {
        assert_transcript(
            &[],
            r#"
            > [
            >   {"type": "stats", "msg_id": 1}
            > ]
            > {"type": "stats", "msg_id": 2}
            < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
            < {"type": "stats_ok", "in_reply_to": 2, "backends": {}}
            ! line 1: not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[`
            ! line 3: not a JSON object, which starts with { (skipping to the next one): `]`
            "#,
        );
    }
}

mod an_unfinished_message {
    use super::*;

    #[test]
    fn gives_way_to_a_whole_envelope() {
        for unfinished in [
            "{",
            r#"{"a":"#,
            r#"{"type": "echo", "echo": ["#,
            r#"{"src": "c","#,
        ] {
            assert_warning(
                unfinished,
                &format!("line 1: unfinished message, a new one starts on line 2: `{unfinished}`"),
            );
        }
        assert_warning(
            "{\n\"src\":\n\"c\",\n",
            "line 1: unfinished message, a new one starts on line 5: `{ \"src\": \"c\",`",
        );
    }

    #[test]
    fn gives_way_even_if_the_envelope_would_fit_into_it() {
        assert_output(
            &[],
            format!("{{\"type\": \"echo\", \"echo\": [\n \t{ENVELOPE} \r\n]}}\n{STATS}\n"),
            &format!("{ENVELOPE_OK}{STATS_OK}"),
            "line 1: unfinished message, a new one starts on line 2: `{\"type\": \"echo\", \"echo\": [`
line 3: not a JSON object, which starts with { (skipping to the next one): `]}`",
        );
    }

    #[test]
    fn gives_way_to_an_envelope_with_any_body() {
        assert_transcript(
            &[],
            r#"
            > {
            > {"body": 5, "dest": "n", "src": "c"}
            < {"src": "n", "dest": "c", "body": {"type": "error", "code": 12, "text": "\"body\" must be an object with a \"type\", not 5"}}
            ! line 1: unfinished message, a new one starts on line 2: `{`
            "#,
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
            &format!("{ENVELOPE},\n0, {ENVELOPE}"),
        ] {
            assert_replies(
                &[],
                format!("{{\"type\": \"echo\", \"echo\": [\n{inside}\n]}}\n"),
                &format!(
                    "{{\"type\": \"echo_ok\", \"echo\": [ {} ]}}\n",
                    inside.replace('\n', " ")
                ),
            );
        }
    }

    #[test]
    fn is_cut_off_by_the_end_of_the_input() {
        for unfinished in [
            "{",
            "{\n\"a\"",
            "{\"a\":\n1.",
            "{\"a\":\n-",
            "{\n\"a\": tru",
            "{\"a\": \"\\u0",
        ] {
            assert_output(
                &[],
                format!("{STATS}\n{unfinished}"),
                STATS_OK,
                &format!(
                    "line 2: unfinished message at the end of the input: `{}`",
                    unfinished.replace('\n', " ")
                ),
            );
        }
    }
}

mod sixteen_mib {
    use super::*;

    const MAX: usize = 16 << 20;
    const ECHO_OK: &str = "{\"type\": \"echo_ok\", \"echo\": 1}\n";

    /// A bare `echo` of so many bytes, filled with white space.
    fn echo(bytes: usize, filling: &str) -> String {
        let (begin, end) = (r#"{"type": "echo", "x": ["#, r#"], "echo": 1}"#);
        let space = bytes - begin.len() - end.len();
        let filling = filling.repeat(space / filling.len()) + &" ".repeat(space % filling.len());
        format!("{begin}{filling}{end}")
    }

    #[track_caller]
    fn assert_answered(input: &str) {
        assert_replies(
            &[],
            format!("{input}\n{STATS}"),
            &format!("{ECHO_OK}{STATS_OK}"),
        );
    }

    #[track_caller]
    fn assert_too_long(input: &str, replies: &str) {
        let begin = r#"{"type": "echo", "x": ["#;
        let output = run(&[], format!("{input}\n{STATS}"));
        assert_eq!(output.replies, format!("{replies}{STATS_OK}"));
        let warning = with_prefix(&format!("line 1: longer than 16 MiB: `{begin}"));
        assert!(
            output.warnings.starts_with(warning.trim_end()),
            "{}",
            output.warnings
        );
        assert_eq!(output.warnings.lines().count(), 1, "{}", output.warnings);
    }

    #[test]
    fn are_the_longest_line_without_its_line_break() {
        assert_answered(&echo(MAX, " "));
        assert_answered(&format!("{}\r", echo(MAX, " ")));
        assert_answered(&format!("\u{feff}{}\r", echo(MAX, " ")));
        assert_too_long(&echo(MAX + 1, " "), "");
        assert_too_long(&format!("{}\r", echo(MAX + 1, " ")), "");
        assert_too_long(&format!("{} ", echo(MAX, " ")), "");
        assert_too_long(&format!("{}{STATS}", echo(MAX, " ")), "");
    }

    #[test]
    fn are_the_longest_message_over_several_lines() {
        let line = format!("{}\n", " ".repeat(999));
        assert_answered(&echo(MAX, &line));
        assert_answered(&format!("{}      ", echo(MAX, &line)));
        assert_too_long(&echo(MAX + 1, &line), "");
    }

    #[test]
    fn may_be_a_message_that_begins_and_ends_within_lines() {
        let line = format!("{}\n", " ".repeat(999));
        assert_replies(
            &[],
            format!("{STATS}{}{STATS}", echo(MAX, &line)),
            &format!("{STATS_OK}{ECHO_OK}{STATS_OK}"),
        );
    }

    #[test]
    fn are_exceeded_by_a_line_of_any_kind() {
        for (line, found) in [
            ("x".repeat(MAX + 1), format!(": `{}…`", "x".repeat(40))),
            (" ".repeat(MAX + 1), String::new()),
            (
                STATS.repeat(MAX / 17 + 1),
                format!(": `{}{}{}…`", STATS, STATS, &STATS[..6]),
            ),
        ] {
            assert_warning(line, &format!("line 1: longer than 16 MiB{found}"));
        }
    }

    #[test]
    fn are_exceeded_only_once_in_what_is_skipped() {
        let long = "x".repeat(MAX + 1);
        assert_output(
            &[],
            format!("{long}\n{long}\nx\n{STATS}\n"),
            STATS_OK,
            &format!("line 1: longer than 16 MiB: `{}…`", &long[..40]),
        );
    }

    #[test]
    fn are_exceeded_by_a_message_and_a_line_together() {
        // The line is dropped with the message, and not read again.
        let half = &echo(MAX, " ")[..MAX / 2];
        let line = format!("{STATS}{}", " ".repeat(MAX));
        assert_too_long(&format!("{half}\n{line}"), "");
        assert_too_long(&format!("{half}\n{}{STATS}", " ".repeat(MAX / 2)), "");
    }

    #[test]
    fn of_an_unfinished_message_give_way_to_an_envelope() {
        let unfinished = echo(MAX, " ");
        let filling = " ".repeat(MAX - ENVELOPE.len());
        let long = ENVELOPE.replace("{\"src\"", &format!("{{{filling}\"src\""));
        assert_eq!(long.len(), MAX);
        let warning = "line 1: unfinished message, a new one starts on line 2: `{\"type\": \"echo\", \"x\": [`";
        let input = format!("{}\n{long}\r\n{STATS}\n", &unfinished[..MAX - 20]);
        assert_output(&[], input, &format!("{ENVELOPE_OK}{STATS_OK}"), warning);
    }

    #[test]
    fn of_an_unfinished_message_take_no_later_line() {
        for length in [MAX - 1, MAX] {
            // With the line break, it can no longer be finished within the limit.
            let unfinished = &echo(2 * MAX, " ")[..length];
            assert_too_long(unfinished, "");
        }
    }
}
