use super::*;
use proptest::prelude::*;

fn stream(label: Option<&[u8]>, bytes: &[u8], cut: usize) -> String {
    let mut out = String::new();
    let mut d = ToUtf8::for_body(label);
    bytes.chunks(cut).for_each(|c| d.push(c, &mut out));
    d.finish(&mut out);
    out
}

/// The characters of `text` beyond ASCII, without those that stand for something else.
fn characters(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_ascii() && *c != '\u{fffd}').collect()
}

/// The valid characters of several bytes in `bytes`.
fn valid(bytes: &[u8]) -> Vec<char> {
    bytes.utf8_chunks().flat_map(|c| characters(c.valid())).collect()
}

/// Whether `all` has `some` in this order.
fn has_in_order(all: &[char], some: &[char]) -> bool {
    let mut rest = all.iter();
    some.iter().all(|c| rest.any(|r| r == c))
}

#[test]
fn strict() {
    assert_eq!(decode(b"ISO-8859-15", b"\xa4".to_vec()).unwrap(), "€");
    assert_eq!(decode(b"utf-8*en", "é".as_bytes().to_vec()).unwrap(), "é");
    assert_eq!(decode_strict(b"utf-8", b"\xff"), None);
    assert_eq!(decode_strict(b"us-ascii", b"\xe9"), None);
    assert_eq!(decode_strict(b"us-ascii", b"e").unwrap(), "e");
    assert_eq!(decode_strict(b"koi8-r", b"\xc1").unwrap(), "а");
    assert_eq!(decode_strict(b"ibm850", b"\x82").unwrap(), "é");
    assert_eq!(decode_strict(b"cp857", b"\xd5"), None);
    assert_eq!(decode(b"cp857", b"\xd5\x87".to_vec()).unwrap(), "\u{fffd}ç");
    assert_eq!(decode_strict(b"utf-7", b"+2Dw-"), None);
}

/// Label, bytes, text.
type Case = (Option<&'static [u8]>, &'static [u8], &'static str);

#[test]
fn bodies() {
    for cut in 1..5 {
        let cases: &[Case] = &[
            (Some(b"us-ascii"), "é€".as_bytes(), "é€"),
            (None, b"caf\xe9 \xe9t\xe9", "café été"),
            // One bad byte is one bad character.
            (None, b"\xc3\xa9 caf\xe9 \xc3\xa9", "é caf\u{fffd} é"),
            (None, b"\xe4\xbc\x9a\xe8\xae", "会\u{fffd}"),
            // What comes before the first valid character may be text of an older system.
            (None, b"caf\xe9 \xc3\xa9", "café é"),
            (Some(b"x-nonsense"), b"a\xe2\x82", "aâ‚"),
            (Some(b"unknown-8bit"), b"caf\xe9", "café"),
            (Some(b"utf-8"), b"a\xffb", "a\u{fffd}b"),
            (Some(b"iso-2022-jp"), b"\x1b$B$\"\x1b(B.", "あ."),
            (Some(b"cp850"), b"caf\x82 \xc3\xa9", "café ├®"),
            (Some(b"utf-7"), b"caf+AOk-, +2D3eAA- + +-x+AOk", "café, 😀 + +xé"),
            (Some(b"hz-gb-2312"), b"a~~ ~{<:Ky2;S{~}.\n", "a~ 己所不欲.\n"),
            (Some(b"iso-2022-kr"), b"\x1b$)C\x0e0!3*\x0f x", "가나 x"),
        ];
        for (label, bytes, want) in cases {
            assert_eq!(stream(*label, bytes, cut), *want, "{label:?} by {cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn chunks_do_not_matter(
        v in prop::collection::vec(
            prop_oneof![
                any::<u8>(),
                prop::sample::select(b"~{}+-\x0e\x0f\x1b$)C\nAOk\xc3\xa9\xe4\xbc\x9a".to_vec()),
            ],
            0..60,
        ),
        cut in 1usize..7,
        label in prop::sample::select(vec![
            "", "utf-8", "latin1", "shift_jis", "utf-16", "cp437", "cp864", "utf-7", "hz",
            "iso-2022-kr", "x-nonsense",
        ]),
    ) {
        let label = Some(label.as_bytes());
        prop_assert_eq!(stream(label, &v, cut), stream(label, &v, 1000));
    }

    #[test]
    fn what_is_valid_stays(
        v in prop::collection::vec(
            prop_oneof![
                any::<u8>().prop_map(|b| vec![b]),
                any::<char>().prop_map(|c| c.to_string().into_bytes()),
                Just(b"a".to_vec()),
            ],
            0..40,
        ),
        at in 0usize..80,
    ) {
        let v = v.concat();
        let want = valid(&v);
        prop_assert!(has_in_order(&characters(&guess(&v)), &want));
        prop_assert!(has_in_order(&characters(&stream(None, &v, 3)), &want));
        if !want.is_empty() {
            prop_assert_eq!(characters(&guess(&v)), want);
        }
        // A cut loses the characters behind it, and harms none before it.
        let kept = cut(&v, at);
        prop_assert!(v.starts_with(kept) && kept.len() <= at && kept.len() + 4 > at.min(v.len()));
        let (kept, all) = (valid(kept), valid(&v));
        prop_assert_eq!(&all[..kept.len()], &kept);
        if std::str::from_utf8(&v).is_ok() {
            prop_assert!(std::str::from_utf8(cut(&v, at)).is_ok());
        }
    }
}

#[test]
fn quick_labels_say_something() {
    for label in ["iso-8859-1", "ISO-8859-8-I", "iso-8859", "iso-8859*en", "iso-8859 ", "iso-8859x"]
    {
        assert!(!label::says_nothing(label.as_bytes()), "{label}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn utf_8_without_a_copy(
        bytes in prop::collection::vec(
            prop::sample::select(b"a\xef\xbb\xbf\xc3\xa9\xf0\x9f\x98\x80\xed\xa0".to_vec()),
            0..12,
        ),
    ) {
        let expected = decode_other(b"utf-8", &bytes);
        prop_assert_eq!(decode(b"UTF-8", bytes), expected);
    }
}
