//! How messages are found in the input, and how reading goes on after input that is not one.
//!
//! A case is one line: input, `=>`, and its answers. There, `§` is a message and its reply, `!` is an answer to what cannot
//! be read, which names a line, and `?` is any other error. In the input, `⏎` is a line break, `↵` a carriage return, `⇥` a
//! tab, `⌘` a byte order mark, and `¤` a byte that is not UTF-8.

use crate::support::assert_replies;

const STATS: &str = r#"{"type": "stats"}"#;
const STATS_OK: &str = "{\"type\": \"stats_ok\", \"backends\": {}}\n";
const UNREADABLE: &str = "{\"type\": \"error\", \"code\": 12, \"text\": \"line …\"}\n";
const REFUSED: &str = "{\"type\": \"error\", \"code\": 12, \"text\": \"missing…\"}\n";

#[track_caller]
fn assert_answers(cases: &str) {
    for case in cases.trim_matches('\n').trim_end().lines() {
        let (input, answers) = case.split_once(" =>").expect("input => answers");
        let input = input.strip_prefix("        ").expect("it is indented");
        let mut bytes = Vec::new();
        let buffer = &mut [0; 4];
        for character in input.chars() {
            bytes.extend_from_slice(match character {
                '§' => STATS.as_bytes(),
                '⏎' => b"\n",
                '↵' => b"\r",
                '⇥' => b"\t",
                '⌘' => "\u{feff}".as_bytes(),
                '¤' => b"\xff",
                other => other.encode_utf8(buffer).as_bytes(),
            });
        }
        let answers = answers.split_whitespace().map(|answer| match answer {
            "§" => STATS_OK,
            "!" => UNREADABLE,
            _ => REFUSED,
        });
        assert_replies(&[], bytes, &answers.collect::<String>());
    }
}

/// A test: its name, and its cases. (Between braces, `rustfmt` leaves them where they are.)
macro_rules! rule {
    ($name:ident, $cases:literal) => {
        #[test]
        fn $name() {
            assert_answers($cases);
        }
    };
}

mod a_message {
    use super::*;

    rule! { may_span_lines_with_white_space_around_it, r#"
        {⏎"type"⏎:⏎⏎   ⏎⇥"stats"⏎⏎}⏎ => §
        {↵⏎"type"↵⏎:↵⏎"stats"↵⏎}↵⏎ => §
        {"type":⏎"stats", "x": "]}{\"", "y":⏎"\\"}⏎{"type":⏎"stats"}⏎ => § §
        ⏎ ⇥↵⏎⏎  ⇥§  ↵⏎⏎⏎ => §
         ↵⏎⇥ =>
         =>
    "# }

    rule! { may_follow_a_byte_order_mark_on_any_line, r#"
        ⌘{"type":⏎⌘"stats"}⏎⌘⏎⌘ § => § §
         ⌘{}⏎§ => ! §
    "# }

    rule! { may_share_its_lines_and_lack_its_last_line_break, r#"
        § => §
        {"type":⏎"stats"} §{⏎"type": "stats"}{} => § § § ?
    "# }

    #[test]
    fn may_be_nested_deeper_than_any_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_replies(
            &[],
            format!(r#"{{"type": "echo", "x": {deep}, "echo": {deep}}}"#),
            &format!("{{\"type\": \"echo_ok\", \"echo\": {deep}}}\n"),
        );
        let deep = "{\"a\":\n".repeat(100_000) + "0" + &"}".repeat(100_000);
        assert_replies(
            &[],
            format!("{{\"type\": \"stats\", \"x\": {deep}}}"),
            STATS_OK,
        );
    }
}

mod a_line_without_a_bracket {
    use super::*;

    rule! { is_answered_by_itself, r#"
        hello⏎⏎ hello↵⏎⇥hello⏎    § => ! ! ! §
        }⏎null⏎Request: §⏎12:00 {"type":⏎  § => ! ! ! ! §
        § and §⏎§ => § ! §
        {} and §⏎  § => ? ! §
        {"type":⏎"stats"} and §⏎§ => § ! §
    "# }
}

mod a_list {
    use super::*;

    rule! { is_answered_once_and_nothing_in_it_is_done, r#"
        []⏎§ => ! §
        [§, §]⏎§ => ! §
        [⏎§,⏎§⏎]⏎§ => ! §
        [⏎  §,⏎  §⏎]⏎§ => ! §
        [⏎⏎[⏎[⏎§]],⏎§] [⏎2]§[3⏎§ => ! ! § ! §
        ["c", "n", §]⏎["stats"]⏎[1] x⏎§ => ! ! ! ! §
    "# }

    rule! { with_a_mistake_hides_what_is_indented_in_it, r"
        [ x⏎  §,⏎  §⏎]⏎§ => ! §
        [⏎  § x⏎  §⏎]⏎§ => ! §
        [ x⏎§ => ! §
    " }
}

mod a_mistake {
    use super::*;

    rule! { ends_where_the_brackets_close, r#"
        § {"a": x} §⏎  § => § ! § §
        {x} dropped §⏎  § => ! §
        {x} [1] § => ! ! §
        {"a":⏎  x, "b": §,⏎  §,⏎  "c": [⏎]} §⏎  § => ! § §
        {"a":⏎x} dropped §⏎  § => ! §
        {"a": [1} ignored⏎ §⏎§ => ! §
        {"a": "\x"} § {"a": "}" x} § => ! § ! §
        {"a":]§ => ! §
        {"a":⏎  x,⏎  {⏎  }⏎}⏎   § => ! §
        {"a":⏎  x,⏎  "b⏎  §⏎}⏎hello⏎[]⏎§ => ! ! §
    "# }

    rule! { on_the_first_line_hides_what_is_indented_below, r#"
        { x⏎⏎  §⏎}⏎↵ ⇥§⏎hello⏎§ => ! §
          {"a": tru⏎   §⏎  }⏎hello⏎  § => ! §
        {"a": [1,, {"b":⏎ §⏎]}⏎§ => ! §
          [{]⏎   §⏎  § => ! §
        {"a": "b⏎ §⏎§ => ! §
        {"a": "\⏎ §⏎§ => ! §
        {} {x⏎ §⏎§ => ? ! §
    "# }

    rule! { ends_the_skipping_with_a_bracket_to_the_left, r#"
        {x⏎[y⏎§ => ! ! §
          {x⏎ [y⏎  §⏎ § => ! ! §
        {x⏎⌘§ => ! §
        ⌘⇥{x⏎ § => ! §
        ⇥{x⏎↵ §⏎§ => ! §
         {"a":⏎1} {x⏎  §⏎§ => ? ! §
    "# }
}

mod an_unfinished_message {
    use super::*;

    rule! { ends_before_a_bracket_to_the_left, r#"
        {⏎§ => ! §
          {"a"⏎  § => ! §
          {"a": 1⏎ § => ! §
        {"a": [1⏎[1⏎§ => ! ! §
        {"a": 1,⏎§ => ! §
        { "a":⏎"b"⏎§ => ! §
        [1⏎§ => ! §
        {"a":⏎x⏎§ => ! §
          {"a"⏎   §⏎  § => ! §
    "# }

    rule! { goes_on_where_a_value_may_come, r#"
        {"a":⏎§⏎§ => ! §
        {"a": [⏎§⏎§ => ! §
        {"a": [1,⏎§⏎[1⏎§ => ! ! §
        [⏎§⏎§ => ! §
    "# }

    rule! { ends_with_a_line_that_ends_inside_a_string, r#"
        {⏎"a": "b,⏎  §⏎"c": 1}⏎§ => ! §
        {"a": "\u00⏎}⏎§ => ! §
          {"a":⏎"b⏎   §⏎  § => ! §
    "# }

    rule! { ends_with_the_input, r#"
        §⏎{ => § !
        §⏎{ "a"⏎⏎ => § !
        §⏎{"a":⏎1 => § !
        §⏎{ "a":⏎tru => § !
        §⏎{"a": "\u0 => § !
        §⏎[1,⏎ => § !
    "# }
}

mod a_line_that_is_no_text {
    use super::*;

    rule! { is_a_mistake_as_a_whole, r#"
        {"type": "caf¤"}⏎§ => ! §
        § ¤⏎§ => ! §
        ¤⏎  ¤⏎    § => ! ! §
    "# }

    rule! { ends_an_unfinished_object, r#"
        {"type":⏎"caf¤",⏎  §⏎ "msg_id": 1}⏎§ => ! §
    "# }

    rule! { hides_what_is_indented_more_than_both, r#"
          {¤⏎   §⏎  x⏎  § => ! §
          {"a":⏎ {¤⏎  §⏎  x⏎ § => ! §
         {"a":⏎  {¤⏎  §⏎  x⏎ § => ! §
          {x⏎ {¤⏎  §⏎ § => ! ! §
    "# }

    rule! { is_skipped_as_others_are, r"
        {x⏎ {y⏎  ¤⏎¤⏎⏎  [z⏎§ => ! §
    " }
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
        // Whether the line break is the first byte too many or not, it ends this line alone.
        for bytes in MAX + 2..MAX + 6 {
            assert_too_long(1, &stats(bytes, " "));
        }
        let spaces = " ".repeat(MAX);
        assert_too_long(1, &format!("\u{feff}{STATS}{spaces}"));
        assert_too_long(1, &spaces.repeat(3));
        assert_too_long(1, &STATS.repeat(MAX / 17 + 1));
        assert_too_long(1, &format!("[\n{STATS}{spaces}"));
        assert_too_long(1, &format!("{{x\n{spaces}    \n {{{spaces}    \n"));
        assert_too_long(2, &format!("{0}  {0}\n{0}  {0}", "x".repeat(MAX)));
        let line = format!("{}\n", " ".repeat(MAX / 16));
        let unfinished = stats(MAX + 2 * line.len(), &line);
        assert_too_long(1, &(unfinished + " hello\n  " + STATS));
    }
}
