use super::*;
use proptest::prelude::*;

fn show(v: &str) -> String {
    let s = |o: &Option<Cow<'_, [u8]>>| {
        o.as_ref().map_or("-".to_string(), |v| format!("{}", String::from_utf8_lossy(v)))
    };
    each(v.as_bytes())
        .map(|a| {
            let route = a
                .route
                .as_ref()
                .map_or(String::new(), |r| format!("{}:", String::from_utf8_lossy(r)));
            format!("({}|{}{}|{})", s(&a.name), route, s(&a.mailbox), s(&a.host))
        })
        .collect()
}

#[test]
fn table() {
    for (value, want) in [
        ("John <j@x>", "(John|j|x)"),
        ("j@x", "(-|j|x)"),
        ("<j@x>", "(-|j|x)"),
        ("foo@bar (Foo Bar)", "(Foo Bar|foo|bar)"),
        (r#""Doe, \"J\" Q" <j@x>"#, r#"(Doe, "J" Q|j|x)"#),
        (r#""a\\b" <"q p"@x>"#, r#"(a\b|"q p"|x)"#),
        ("plain", "(-|plain|)"),
        ("<@r1,@r2:m@s>", "(-|@r1,@r2:m|s)"),
        ("@r:m@s", "(-|@r:m|s)"),
        ("g: a@b, c@d;", "(-|g|-)(-|a|b)(-|c|d)(-|-|-)"),
        ("undisclosed-recipients:;", "(-|undisclosed-recipients|-)(-|-|-)"),
        ("Undisclosed recipients:", "(-|Undisclosed recipients|-)(-|-|-)"),
        ("g1:a@b;g2:c@d;", "(-|g1|-)(-|a|b)(-|-|-)(-|g2|-)(-|c|d)(-|-|-)"),
        ("g: h: a@b;;", "(-|g|-)(-|-|-)(-|h|-)(-|a|b)(-|-|-)"),
        ("my group (c): a@b;, x@y", "(-|my group (c)|-)(-|a|b)(-|-|-)(-|x|y)"),
        ("a@b;c@d", "(-|a|b)(-|c|d)"),
        ("empty multi", "(-|empty|)(-|multi|)"),
        ("a@b c@d", "(-|a|b)(-|c|d)"),
        ("John Doe <j@x> Jane <k@x>", "(John Doe|j|x)(Jane|k|x)"),
        ("John (x) <j@x>", "(John (x)|j|x)"),
        ("(c) j@x (d)", "(d|j|x)"),
        ("(c) <j@x>", "(c|j|x)"),
        ("<j@x> (c)", "(c|j|x)"),
        ("J <j@x> (c), k@y", "(J|j|x)(-|k|y)"),
        ("foo@bar.com <foo@bar.com>", "(foo@bar.com|foo|bar.com)"),
        ("John Q. Public <j@x>", "(John Q. Public|j|x)"),
        ("<>", "(-||)"),
        ("John <>", "(John||)"),
        (r#""a" "b" <c@d>"#, "(a b|c|d)"),
        ("a  b\r\n\tc <c@d>", "(a b c|c|d)"),
        ("j @ x . y", "(-|j|x.y)"),
        ("j@[1.2.3.4]", "(-|j|[1.2.3.4])"),
        ("<j@[IPv6:1::2]>", "(-|j|[IPv6:1::2])"),
        ("j@[IPv6:1::2], k", "(-|j|[IPv6:1::2])(-|k|)"),
        ("j@x@y", "(-|j@x|y)"),
        ("\"unclosed <a@b>, c@d", "(\"unclosed|a|b)(-|c|d)"),
        ("John <a@b", "(John|a|b)"),
        ("John <a@b, Jane <c@d>", "(John|a|b)(Jane|c|d)"),
        ("<<a@b>>", "(-|a|b)"),
        ("a@b>", "(-|a|b)"),
        (",,a@b,,", "(-|a|b)"),
        ("=?utf-8?q?J=C3=A9?= =?utf-8?q?x?= <a@b>", "(=?utf-8?q?J=C3=A9?= =?utf-8?q?x?=|a|b)"),
        ("a@b (c (d) e)", "(c (d) e|a|b)"),
        (r"a@b (c\)d)", "(c)d|a|b)"),
        ("MAILER-DAEMON (Mail System)", "(Mail System|MAILER-DAEMON|)"),
        ("a!b!c", "(-|a!b!c|)"),
        ("a@", "(-|a|)"),
        ("@b", "(-||b)"),
        ("<a b@c>", "(-|a b|c)"),
        ("< a @ b >", "(-|a|b)"),
        ("\"a@b\" <c@d>", "(a@b|c|d)"),
        ("\"a@b\"@c", "(-|\"a@b\"|c)"),
        ("\"john.doe\"@c, <\"j\".d@c>", "(-|john.doe|c)(-|j.d|c)"),
        ("\"a\\b\"@c, \"a@b", "(-|ab|c)(-|\"a|b)"),
        ("\"\"@c, \"a..b\"@c, \".a\"@c", "(-|\"\"|c)(-|\"a..b\"|c)(-|\".a\"|c)"),
        ("\"a, b\"@c, \"a\"b\"c\"@d", "(-|\"a, b\"|c)(-|abc|d)"),
        ("'J' <a@b>", "('J'|a|b)"),
        ("José <a@b>", "(José|a|b)"),
        ("", ""),
        (" , ;", ""),
    ] {
        assert_eq!(show(value), want, "{value:?}");
    }
}

/// However much there is, it takes little memory and no more time than it has bytes.
#[test]
fn long_lists() {
    for (text, count) in [
        ("a@b, ", 400_000),
        ("a ", 400_000),
        ("a,", 400_000),
        ("@[", 1),
        ("\"", 1),
        ("(", 1),
        ("a <", 400_000),
        ("a:", 800_000),
        ("\\\"", 1),
    ] {
        assert_eq!(each(text.repeat(400_000).as_bytes()).count(), count, "{text}");
    }
    let words = "a ".repeat(MAX_WORDS - 1) + "<b@c>";
    assert_eq!(each(words.as_bytes()).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn anything(
        v in prop::collection::vec(
            prop::sample::select(b"a@.<>(),;:\"\\[] \n\xe9".to_vec()),
            0..60,
        ),
    ) {
        let list: Vec<_> = each(&v).collect();
        // Groups open and close in turn.
        let mut open = false;
        for a in &list {
            if a.mailbox.is_some() && a.host.is_none() {
                prop_assert!(!open);
                open = true;
            } else if a.is_group_end() {
                prop_assert!(open);
                open = false;
            }
        }
        prop_assert!(!open);
    }

    #[test]
    fn the_quick_way_is_the_same(parts in prop::collection::vec(prop::sample::select(vec![
        "a@b", "j.d@x.y", "<a@b>", "<a.b@c>", "Joe", "\"Q, x\"", "\"", "\"\"", "\" \"",
        "\"a\\b\"", " ", " ", " ", "  ", "\t", "\n ", ",", ", ", ";", ":", "(c)", "(", "@", ".",
        "<", ">", "[1]", "=?utf-8?Q?x?=", "\u{e9}", "\u{0}", "\u{c}", "\\", "\u{7f}", "@r:", "]",
    ]), 0..14)) {
        let text = parts.concat();
        let mut slow = Parser::new(text.as_bytes());
        slow.run(usize::MAX, false);
        prop_assert_eq!(&each(text.as_bytes()).collect::<Vec<_>>(), &slow.list);
        let one = first(text.as_bytes());
        prop_assert_eq!(one.as_ref(), slow.list.first());
    }
}
