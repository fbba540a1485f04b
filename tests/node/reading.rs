//! Where a message begins and ends, what cannot be read, and how reading goes on after it.
//!
//! A case is one line: input, `=>`, and its answers. There, `§` is a message and its reply, `!` is the answer to what cannot
//! be read, which names a line, and `?` is any other error. The other signs are those of [`bytes_of`].

use crate::support::{STATS, STATS_OK, assert_replies, bytes_of};

const UNREADABLE: &str = "{\"type\": \"error\", \"code\": 12, \"text\": \"line …\"}\n";
const REFUSED: &str = "{\"type\": \"error\", \"code\": 12, \"text\": \"missing…\"}\n";

#[track_caller]
fn assert_answers(cases: &str) {
    for case in cases.trim_matches('\n').trim_end().lines() {
        let (input, answers) = case.split_once(" =>").expect("input => answers");
        let input = input.strip_prefix("        ").expect("it is indented");
        let answers = answers.split_whitespace().map(|answer| match answer {
            "§" => STATS_OK,
            "!" => UNREADABLE,
            "?" => REFUSED,
            other => panic!("an answer is §, ! or ?, not {other}"),
        });
        assert_replies(&[], bytes_of(input), &answers.collect::<String>());
    }
}

mod a_message {
    use super::*;

    rule! { may_span_lines_with_white_space_around_it, assert_answers(r#"
        {⏎"type"⏎:⏎⏎   ⏎⇥"stats"⏎⏎}⏎ => §
        {↵⏎"type"↵⏎:↵⏎"stats"↵⏎}↵⏎ => §
        {"type":⏎"stats", "x": "]}{\"", "y":⏎"\\"}⏎{"type":⏎"stats"}⏎ => § §
        {"x": "\\",⏎"y": "\\\"{",⏎"type": "stats"}⏎ => §
        ⏎ ⇥↵⏎⏎  ⇥§  ↵⏎⏎⏎ => §
         ↵⏎⇥ =>
         =>
    "#) }

    rule! { may_follow_a_byte_order_mark_on_any_line, assert_answers(r#"
        ⌘{"type":⏎⌘"stats"}⏎⌘⏎⌘ § => § §
         ⌘{}⏎§ => ! §
    "#) }

    rule! { may_share_its_lines_and_lack_its_last_line_break, assert_answers(r#"
        § => §
        {"type":⏎"stats"} §{⏎"type": "stats"}{} => § § § ?
        {"type":⏎"stats"} {"a": [1]⏎§ => § ! §
    "#) }

    rule! { has_no_other_white_space_around_it, assert_answers(r#"
        ␣§⏎§␣⏎§ ␣ §⏎ => ! § ! § !
        {"type":⏎"stats"}␣⏎{␣}⏎§ => § ! ! §
    "#) }

    #[test]
    fn may_be_nested_deeper_than_any_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let echo = format!("\"echo\": {deep}}}\n");
        let input = format!(r#"{{"type": "echo", "x": {deep}, {echo}"#);
        assert_replies(&[], input, &format!(r#"{{"type": "echo_ok", {echo}"#));
        let deep = "{\"a\":\n".repeat(100_000) + "0" + &"}".repeat(100_000);
        let input = format!(r#"{{"type": "stats", "x": {deep}}}"#);
        assert_replies(&[], input, STATS_OK);
    }
}

/// Each kind of what cannot be read, with something right behind it on its line, and below it.
mod after {
    use super::*;

    rule! { text_its_line_is_not_read, assert_answers(r#"
        hello⏎⏎ hello↵⏎⇥hello⏎    § => ! ! ! §
        hello §⏎Request: §⏎§ => ! ! §
        }⏎null⏎12:00 {"type":⏎  § => ! ! ! §
        § and §⏎§ => § ! §
        {} and §⏎  § => ? ! §
        {"type":⏎"stats"} and § §⏎§ => § ! §
    "#) }

    rule! { text_that_ends_with_a_bracket_lines_are_skipped, assert_answers(r#"
        Found 2 requests: [⏎  §,⏎  §⏎]⏎§ => ! §
        hello {⏎ §⏎⏎hello⏎]⏎[]⏎§ => ! ! §
        hello [ ⇥ ↵⏎ §⏎§ => ! §
        "hello [⏎ §⏎§ => ! §
        § and {⏎ §⏎§ => § ! §
          hello [⏎   §⏎  § => ! §
        hello [ x⏎  §⏎hello ["⏎  § => ! § ! §
    "#) }

    rule! { a_list_its_line_is_not_read, assert_answers(r#"
        []⏎§ => ! §
        [§, §] §⏎  § => ! §
        ["c", "n", §]⏎["stats"]⏎[1] x⏎§ => ! ! ! §
        [⏎§,⏎§⏎] §⏎  § => ! §
        [⏎  §,⏎  §⏎]⏎§ => ! §
        [⏎⏎[⏎[⏎§]],⏎§] [⏎2] §⏎§ => ! §
        {} [1] {} §⏎§ => ? ! §
    "#) }

    rule! { a_list_lines_are_skipped_if_something_is_open, assert_answers(r#"
        [1] {⏎  §⏎§ => ! §
        [1] "x⏎  §⏎§ => ! §
        [⏎1] {"a": [}⏎  §⏎§ => ! §
        [ x⏎  §,⏎  §⏎]⏎§ => ! §
        [⏎  § x⏎  §⏎]⏎§ => ! §
        [INFO] §⏎  § => ! §
    "#) }

    rule! { a_mistake_its_line_is_not_read, assert_answers(r#"
        § {"a": x} §⏎  § => § ! §
        {x} dropped §⏎  § => ! §
        {x} [1] § => !
        {"a": 1,} §⏎§ => ! §
        {"a": "\x"} § {"a": "}" x} §⏎§ => ! §
        {"a":] §⏎  § => ! §
        {"a": "\u"} §⏎  § => ! §
    "#) }

    rule! { a_mistake_lines_are_skipped_if_something_is_open, assert_answers(r#"
        { x⏎⏎  §⏎}⏎↵ ⇥§⏎hello⏎§ => ! §
          {"a": tru⏎   §⏎  }⏎hello⏎  § => ! §
        {"a": [1,, {"b":⏎ §⏎]}⏎§ => ! §
        {"a": [1} §⏎ §⏎§ => ! §
          [{]⏎   §⏎  § => ! §
        {"a": "b⏎ §⏎§ => ! §
        {"a": "\⏎ §⏎§ => ! §
        {x} {"a":⏎ §⏎§ => ! §
        {x]]} [⏎ §⏎§ => ! §
        {x} "⏎ §⏎§ => ! §
        {} {x⏎ §⏎§ => ? ! §
        {"a": "\u⏎ §⏎§ => ! §
        {"a": "\u1"⏎"b":⏎§ => ! §
        ["\u"⏎]⏎hello⏎§ => ! §
    "#) }

    rule! { a_later_mistake_the_rest_of_the_object_is_not_read, assert_answers(r#"
        {"a":⏎  x, "b": §,⏎  §,⏎  "c": [⏎]} §⏎  § => ! §
        {"a":⏎x} §⏎  § => ! §
        {"a":⏎  x,⏎  {⏎  }⏎}⏎   § => ! §
        {"a":⏎x} [⏎  §⏎§ => ! §
        {"a":⏎"\u"} §⏎  § => ! §
        {"a":⏎  x,⏎  "b⏎  §⏎}⏎hello⏎[]⏎§ => ! ! §
    "#) }

    rule! { a_line_that_is_not_utf8_it_is_not_read, assert_answers(r#"
        {"type": "caf¤"} §⏎  § => ! §
        § ¤ §⏎  § => ! §
        ¤⏎  ¤⏎    § => ! ! §
        {"a": "¤",⏎  §⏎§ => ! §
        {¤⏎  ¤⏎x¤⏎  §⏎{}⏎§ => ! ? §
        hello ¤ [⏎ §⏎§ => ! §
        hello ¤ {"a":⏎ § => ! §
        {"a": "¤⏎ §⏎§ => ! §
    "#) }
}

mod skipping {
    use super::*;

    rule! { ends_with_a_bracket_that_is_not_indented_more, assert_answers(r#"
        {x⏎[y⏎§ => ! ! §
          {x⏎ [y⏎  §⏎ § => ! ! §
        {x⏎⌘§ => ! §
        ⌘⇥{x⏎ § => ! §
        ⇥{x⏎↵ §⏎§ => ! §
         {"a":⏎1} {x⏎  §⏎§ => ? ! §
        {x⏎{¤⏎  §⏎§ => ! ! §
    "#) }
}

mod an_unfinished_message {
    use super::*;

    rule! { ends_before_a_bracket_that_is_not_indented_more, assert_answers(r#"
        {⏎§ => ! §
          {"a"⏎  § => ! §
          {"a": 1⏎ § => ! §
        {"a": [1⏎[1⏎§ => ! ! §
        {"a": 1,⏎§ => ! §
        { "a":⏎"b"⏎§ => ! §
        [1⏎§ => ! §
        {"a":⏎x⏎§ => ! §
          {"a"⏎   §⏎  § => ! §
        {"a"⏎{¤}⏎§ => ! ! §
    "#) }

    rule! { goes_on_where_a_value_may_come, assert_answers(r#"
        {"a":⏎§⏎§ => ! §
        {"a" :⏎⏎§⏎§ => ! §
        {"a": [⏎§⏎§ => ! §
        {"a": [1,⏎§⏎[1⏎§ => ! ! §
        [⏎§⏎§ => ! §
    "#) }

    rule! { takes_no_value_after_a_colon_that_is_behind_no_string, assert_answers(r#"
        {"a":⏎:⏎§ => ! §
        {"a":⏎1:⏎§ => ! §
        {"a": [:⏎§ => ! §
    "#) }

    rule! { ends_with_a_line_that_ends_inside_a_string, assert_answers(r#"
        {⏎"a": "b,⏎  §⏎"c": 1}⏎§ => ! §
        {"a": "\u00⏎}⏎§ => ! §
          {"a":⏎"b⏎   §⏎  § => ! §
    "#) }

    rule! { ends_with_a_line_that_is_not_utf8, assert_answers(r#"
        {"type":⏎"caf¤",⏎  §⏎ "msg_id": 1}⏎§ => ! §
        {"type":⏎"caf¤"} §⏎  § => ! §
          {"a":⏎ {¤⏎   §⏎  x⏎  § => ! §
         {"a":⏎  {¤⏎  §⏎  x⏎ § => ! §
    "#) }

    rule! { ends_with_the_input, assert_answers(r#"
        §⏎{ => § !
        §⏎{ "a"⏎⏎ => § !
        §⏎{"a":⏎1 => § !
        §⏎{ "a":⏎tru => § !
        §⏎{"a": "\u0 => § !
        §⏎{"a": "b => § !
        §⏎[1,⏎ => § !
    "#) }
}

mod sixteen_mib {
    use super::*;

    const MAX: usize = 16 << 20;

    /// `input` gets so many answers that name a line, and the message after it is answered.
    #[track_caller]
    fn assert_too_long(answers: usize, input: &str) {
        let replies = UNREADABLE.repeat(answers) + STATS_OK;
        assert_replies(&[], format!("{input}\n{STATS}"), &replies);
    }

    /// A bare `stats` of so many bytes.
    fn stats(bytes: usize, filling: &str) -> String {
        let (begin, end) = (r#"{"type": "stats", "x": ["#, "]}");
        let (length, part) = (bytes - begin.len() - end.len(), filling.len());
        let rest = " ".repeat(length % part);
        format!("{begin}{}{rest}{end}", filling.repeat(length / part))
    }

    #[test]
    fn are_the_longest_line_and_the_longest_message() {
        let line = " ".repeat(999) + "\n";
        for message in [stats(MAX, " "), stats(MAX, " ") + "\r", stats(MAX, &line)] {
            let input = format!("\u{feff}{message}\n{STATS}");
            assert_replies(&[], input, &STATS_OK.repeat(2));
        }
    }

    #[test]
    fn are_exceeded_by_longer_ones_of_any_kind() {
        // Whether the line break is the first byte too many or not, it ends this line alone.
        for bytes in MAX + 1..MAX + 6 {
            assert_too_long(1, &stats(bytes, " "));
        }
        let spaces = " ".repeat(MAX);
        assert_too_long(1, &format!("\u{feff}{STATS}{spaces}"));
        assert_too_long(1, &spaces.repeat(3));
        assert_too_long(1, &format!("[\n{STATS}{spaces}"));
        assert_too_long(1, &format!("{{x\n{spaces}    \n {{{spaces}    \n"));
        assert_too_long(2, &format!("{0}  {0}\n{0}  {0}", "x".repeat(MAX)));
        let line = " ".repeat(MAX / 16) + "\n";
        let unfinished = stats(MAX + 2 * line.len(), &line);
        assert_too_long(1, &(unfinished + " hello\n  " + STATS));
        // The brackets of its beginning are open, or closed.
        let filling = spaces + "     ]]]";
        assert_too_long(1, &format!("{{\"a\": [{filling}\n  {STATS}"));
        assert_too_long(1, &format!("{{\"a\":\n[{filling}\n  {STATS}"));
        let closed = format!("{{\"a\": []}}{filling}\n  {STATS}");
        assert_replies(&[], closed, &[UNREADABLE, STATS_OK].concat());
    }
}
