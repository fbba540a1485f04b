//! How messages are found in the input, and how reading goes on after input that is not one.

use crate::support::{assert_output, assert_replies, assert_transcript, run};

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
    input.extend_from_slice(format!("\n{STATS}\n{ENVELOPE}\n").as_bytes());
    assert_output(&[], input, &format!("{STATS_OK}{ENVELOPE_OK}"), warning);
}

mod a_message {
    use super::*;

    #[test]
    fn may_span_lines_and_blank_lines_do_not_end_it() {
        let input = "{\n\"type\"\n:\n\n   \n\t\"stats\"\n\n}\n";
        assert_replies(&[], input, STATS_OK);
        assert_replies(&[], input.replace('\n', "\r\n"), STATS_OK);
    }

    #[test]
    fn may_have_brackets_and_escapes_in_its_strings() {
        let input = "{\"type\":\n\"stats\", \"x\": \"]}{\\\"\", \"y\":\n\"\\\\\"}\n{\"type\":\n\"stats\"}\n";
        assert_replies(&[], input, &STATS_OK.repeat(2));
    }

    #[test]
    fn may_have_blank_lines_and_white_space_around_it() {
        assert_replies(&[], format!("\n \t\r\n\n  \t{STATS}  \r\n\n\n"), STATS_OK);
        for input in ["", "\n", " \r\n\t"] {
            assert_replies(&[], input, "");
        }
    }

    #[test]
    fn may_follow_a_byte_order_mark_on_any_line() {
        let input =
            "\u{feff}{\"type\":\n\u{feff}\"stats\"}\n\u{feff}\n\u{feff} {\"type\": \"stats\"}";
        assert_replies(&[], input, &STATS_OK.repeat(2));
        let found =
            "not a JSON object, which starts with { (skipping to the next one): `\u{feff}{}`";
        assert_warning(" \u{feff}{}", &format!("line 1: {found}"));
    }

    #[test]
    fn may_share_its_lines_and_lack_its_last_line_break() {
        assert_replies(&[], STATS, STATS_OK);
        let input = "{\"type\":\n\"stats\"} {\"type\": \"stats\"}{\n\"type\": \"stats\"}";
        assert_replies(&[], input, &STATS_OK.repeat(3));
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
        let input =
            format!(r#"{{"src": "c", "dest": "n", "body": {{"type": "stats", "x": {deep}}}}}"#);
        assert_replies(&[], input, ENVELOPE_OK);
    }
}

mod a_mistake {
    use super::*;

    #[test]
    fn on_one_line_is_named_with_its_place() {
        const NOT: &str = "not a JSON object, which starts with { (skipping to the next one)";
        const CASES: &str = r#"
            {"a": True} => , column 7: expected value: `True}`
            {'a': 1} => , column 2: expected a key in double quotes: `'a': 1}`
            {"é": nul} => , column 11: expected ident: `}`
            {"a": "^b"} => , column 7: control character (\u0000-\u001F) found while parsing a string: `b"}`
            {"a": "b => : missing closing quote
            {"a": "\ => : invalid escape
            {"a": 1. => : invalid number
            {"a": tru => : expected ident
            hello => : NOT: `hello`
            null => : NOT: `null`
            } => : NOT: `}`
            [{"a": 1}] => : not a JSON object but a list (send its entries one by one, as jq -c '.[]' prints them): `[{"a": 1}]`
            {"\ud800": 1, "type": "stats"} => : unexpected end of hex escape: `{"\ud800": 1, "type": "stats"}`
        "#;
        for case in CASES.trim().lines() {
            let (line, warning) = case.trim().split_once(" => ").expect("a line => a warning");
            let line = line.replace('^', "\t");
            let warning = format!("line 1{}", warning.replace("NOT", NOT));
            assert_warning(&line, &warning);
            assert_warning(format!("{line}\r"), &warning);
        }
        assert_warning("  {\"a\" 1}", "line 1, column 8: expected `:`: `1}`");
    }

    #[test]
    fn is_a_whole_line_that_is_not_utf8() {
        for line in [
            &b"{\"type\": \"caf\xe9\"}"[..],
            b"{\"type\": \"stats\"} \xff",
            b"\xed\xa0\x80",
        ] {
            assert_warning(line, "line 1: not UTF-8");
        }
        let message = b"{\"type\":\n\"caf\xc3\",\n\"msg_id\": 1}";
        assert_warning(message, "line 2: not UTF-8");
    }

    #[test]
    fn leaves_the_objects_before_it_on_its_line() {
        assert_transcript(
            &[],
            r#"
            > {"type": "stats"} {} and {"type": "stats"}
            < {"type": "stats_ok", "backends": {}}
            < {"type": "error", "code": 12, "text": "missing \"type\": a string, such as \"http_request\""}
            ! line 1: not a JSON object, which starts with { (skipping to the next one): `and {"type": "stats"}`
            > {"type": "stats"} {"a": x} {"type": "stats"}
            < {"type": "stats_ok", "backends": {}}
            ! line 2, column 8: expected value: `x} {"type": "stats"}`
        "#,
        );
    }

    #[test]
    fn hides_lines_until_one_begins_with_a_brace() {
        assert_transcript(
            &[],
            r#"
            > one
            > two
            >   {"type": "stats"} three
            > four
            > {x}
            > five
            > {"type": "stats"}
            > six
            < {"type": "stats_ok", "backends": {}}
            < {"type": "stats_ok", "backends": {}}
            ! line 1: not a JSON object, which starts with { (skipping to the next one): `one`
            ! line 3: not a JSON object, which starts with { (skipping to the next one): `three`
            ! line 5, column 2: expected a key in double quotes: `x}`
            ! line 8: not a JSON object, which starts with { (skipping to the next one): `six`
        "#,
        );
        assert_warning(
            b"one\n\xff\n{\xff}",
            "line 1: not a JSON object, which starts with { (skipping to the next one): `one`",
        );
    }

    #[test]
    fn on_a_later_line_ends_where_the_message_ends() {
        assert_transcript(
            &[],
            r#"
            > {"a":
            >   x, "b": {"type": "stats"},
            >   {"type": "stats"},
            >   "c": [
            > ]} {"type": "stats", "msg_id": 1}
            < {"type": "stats_ok", "in_reply_to": 1, "backends": {}}
            ! line 2, column 3: expected value: `x, "b": {"type": "stats"},`
        "#,
        );
    }

    #[test]
    fn in_any_place_of_the_sample_gets_one_warning() {
        let lines: Vec<_> = SAMPLE.lines().collect();
        let mut typos = 0;
        for (index, line) in lines.iter().enumerate() {
            for (at, _) in line.match_indices(['{', '}', '"', ',', ':']) {
                let (before, after) = (&line[..at], &line[at + 1..]);
                for typo in ["x", ";", "'", "\\", "\u{7}", ""] {
                    let mut lines = lines.clone();
                    let line = format!("{before}{typo}{after}");
                    lines[index] = &line;
                    let output = run(&[], format!("{}\n{SAMPLE}{STATS}\n", lines.join("\n")));
                    let warnings = output.warnings.lines().count();
                    assert_eq!(warnings, 1, "line {index} is {line}:\n{}", output.warnings);
                    assert!(
                        output.replies.starts_with(SAMPLE_OK),
                        "line {index} is {line}"
                    );
                    assert_eq!(output.replies.lines().count(), 2, "line {index} is {line}");
                    typos += 1;
                }
            }
        }
        assert!(typos > 200, "only {typos}");
    }
}

mod an_unfinished_message {
    use super::*;

    #[test]
    fn ends_before_a_line_that_begins_with_a_brace() {
        for unfinished in [
            "{",
            "{\"a\"",
            "{\"a\": 1",
            "{\"a\": [1",
            "{\"a\": 1,",
            "{ \"a\":\n\"b\"",
        ] {
            let warning = format!("line 1: unfinished message: `{unfinished}`");
            assert_warning(unfinished, &warning.replace('\n', " "));
        }
    }

    #[test]
    fn goes_on_if_a_value_is_due_there() {
        for inside in [
            "{\"a\": 1}",
            "[1,\n{\"src\": \"c\", \"dest\": \"n\"}\n, [\n{\n}]]",
            "[\n{\"src\": \"c\", \"body\": {\"type\": \"stats\"}}\n]",
            "[\n{\"dest\": \"n\", \"body\": {\"type\": \"stats\"}}\n]",
            "[\n{\"src\": \"c\", \"dest\": \"n\", \"body\": {\"type\": 5}}]",
            &format!("[\n{ENVELOPE}, 0,\n {ENVELOPE}\n]"),
        ] {
            let echo = inside.replace('\n', " ");
            assert_replies(
                &[],
                format!("{{\"type\": \"echo\", \"echo\":\n{inside}}}\n"),
                &format!("{{\"type\": \"echo_ok\", \"echo\": {echo}}}\n"),
            );
        }
    }

    #[test]
    fn ends_there_before_a_whole_envelope() {
        assert_output(
            &[],
            format!("{{\"type\": \"echo\", \"echo\": [\n{ENVELOPE}\r\n]}}\n{STATS}\n"),
            &format!("{ENVELOPE_OK}{STATS_OK}"),
            "line 1: unfinished message: `{\"type\": \"echo\", \"echo\": [`
line 3: not a JSON object, which starts with { (skipping to the next one): `]}`",
        );
    }

    #[test]
    fn ends_with_a_line_that_ends_inside_a_string() {
        assert_warning("{\n\"a\": \"b,\n\"c\": 1}", "line 2: missing closing quote");
        assert_warning(
            "{\"a\": \"\\u00\n}",
            "line 1: unfinished message: `{\"a\": \"\\u00`",
        );
    }

    #[test]
    fn ends_with_the_input() {
        for unfinished in [
            "{",
            "{ \"a\"\n\n",
            "{\"a\":\n1",
            "{ \"a\":\ntru",
            "{\"a\": \"\\u0",
        ] {
            let quoted = unfinished.trim().replace('\n', " ");
            let warning = format!("line 2: unfinished message: `{quoted}`");
            assert_output(&[], format!("{STATS}\n{unfinished}"), STATS_OK, &warning);
        }
    }
}

mod sixteen_mib {
    use super::*;

    const MAX: usize = 16 << 20;

    /// A bare `stats` of so many bytes.
    fn stats(bytes: usize, filling: &str) -> String {
        let (begin, end) = (r#"{"type": "stats", "x": ["#, "]}");
        let times = (bytes - begin.len() - end.len()) / filling.len();
        format!("{begin}{}{end}", filling.repeat(times))
    }

    #[test]
    fn are_the_longest_line_and_the_longest_message() {
        let line = format!("{}\n", " ".repeat(999));
        for message in [stats(MAX, " "), stats(MAX, " ") + "\r", stats(MAX, &line)] {
            let input = format!("{message}\n{STATS}");
            assert_replies(&[], input, &STATS_OK.repeat(2));
        }
    }

    #[test]
    fn are_exceeded_by_longer_ones_of_any_kind() {
        for line in [
            stats(MAX + 10, " "),
            format!("\u{feff}{STATS}{}", " ".repeat(MAX)),
            " ".repeat(MAX + 10),
            STATS.repeat(MAX / 17 + 1),
            format!("{}\n{}", "x".repeat(MAX + 10), "x".repeat(MAX + 10)),
        ] {
            assert_warning(line, "line 1: longer than 16 MiB");
        }
        let line = format!("{}\n", " ".repeat(MAX / 16));
        assert_warning(
            stats(MAX + 2 * line.len(), &line),
            "line 16: longer than 16 MiB",
        );
    }
}
