//! How SEARCH, SORT and THREAD compare texts: without regard to case.

use std::sync::OnceLock;
use unicode_normalization::char::decompose_compatible;

/// A comparison. Both sides are brought to its form, and then compared byte by byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparator {
    /// Courier: by Unicode's simple mappings; accents count.
    Simple,
    /// `i;unicode-casemap` (RFC 5051): in title case, and decomposed, so that an accent comes after
    /// its letter: `U` is found in `Ü`.
    UnicodeCasemap,
}

impl Comparator {
    /// Brings ASCII to its form.
    pub(crate) fn map_ascii(self, text: &mut [u8]) {
        match self {
            Comparator::Simple => text.make_ascii_lowercase(),
            Comparator::UnicodeCasemap => text.make_ascii_uppercase(),
        }
    }

    /// Appends the form of a character.
    pub(crate) fn push(self, c: char, out: &mut Vec<u8>) {
        match (self, c.is_ascii()) {
            (Comparator::Simple, true) => out.push(c.to_ascii_lowercase() as u8),
            (Comparator::UnicodeCasemap, true) => out.push(c.to_ascii_uppercase() as u8),
            (Comparator::Simple, false) => push_utf8(lower(c), out),
            (Comparator::UnicodeCasemap, false) => push_casemap(c, out),
        }
    }

    /// Whether a character is white space: its form is a blank, or it breaks a line.
    pub(crate) fn is_space(self, c: char) -> bool {
        match c {
            ' ' | '\t' | '\r' | '\n' => true,
            // RFC 5051 2 (2)(b): what decomposes into a blank.
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
                self == Comparator::UnicodeCasemap
            }
            _ => false,
        }
    }

    /// What a text is ordered by.
    pub(crate) fn key(self, text: &str) -> Vec<u8> {
        if text.is_ascii() {
            return text.to_ascii_uppercase().into_bytes();
        }
        let mut key = Vec::with_capacity(text.len());
        for c in text.chars() {
            match self {
                Comparator::Simple => push_utf8(upper(c), &mut key),
                Comparator::UnicodeCasemap => self.push(c, &mut key),
            }
        }
        key
    }
}

fn push_utf8(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Simple lower-casing: one character for one.
fn lower(c: char) -> char {
    // The full mapping differs only for U+0130, whose simple one is the first character of the full
    // one.
    c.to_lowercase().next().unwrap_or(c)
}

/// Simple upper-casing: a character whose capital is a string stays.
fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(u), None) => u,
        _ => c,
    }
}

/// The simple titlecase mapping of UnicodeData.txt (RFC 5051 2 (2)(a)). It is that to upper case,
/// but for these.
fn title(c: char) -> char {
    match c {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        // Georgian: capitals are for whole words.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => c,
        // The full mapping writes the iota behind the letter, the simple one below it.
        'ᾀ'..='ᾇ' | 'ᾐ'..='ᾗ' | 'ᾠ'..='ᾧ' => {
            char::from_u32(u32::from(c).saturating_add(8)).unwrap_or(c)
        }
        'ᾳ' => 'ᾼ',
        'ῃ' => 'ῌ',
        'ῳ' => 'ῼ',
        _ => upper(c),
    }
}

/// The form of one character. (That of all before U+0800 fits.)
#[derive(Clone, Copy)]
struct Form {
    length: u8,
    bytes: [u8; 7],
}

/// The first character that is not ASCII, and the first that takes three bytes in UTF-8.
const TWO_BYTES: std::ops::Range<u32> = 0x80..0x800;

/// Appends `i;unicode-casemap`'s form of a character that is not ASCII.
fn push_casemap(c: char, out: &mut Vec<u8>) {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    let code = u32::from(c);
    if TWO_BYTES.contains(&code) {
        // Most letters of most texts. To work each out takes ten times as long.
        let forms = FORMS.get_or_init(|| TWO_BYTES.map(form).collect());
        let form = forms.get(code.saturating_sub(TWO_BYTES.start) as usize);
        let bytes = form.and_then(|form| form.bytes.get(..usize::from(form.length)));
        return out.extend_from_slice(bytes.unwrap_or_default());
    }
    match c {
        // Ideographs: no case, no parts.
        '\u{3400}'..='\u{9fff}' => push_utf8(c, out),
        c => decompose_compatible(title(c), |part| push_utf8(part, out)),
    }
}

fn form(code: u32) -> Form {
    let mut text = Vec::new();
    if let Some(c) = char::from_u32(code) {
        decompose_compatible(title(c), |part| push_utf8(part, &mut text));
    }
    let mut bytes = [0; 7];
    debug_assert!(text.len() <= bytes.len(), "{code:x}");
    bytes.iter_mut().zip(&text).for_each(|(to, from)| *to = *from);
    Form { length: u8::try_from(text.len()).unwrap_or(0), bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn casemap(text: &str) -> String {
        let mut out = Vec::new();
        text.chars().for_each(|c| Comparator::UnicodeCasemap.push(c, &mut out));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn unicode_casemap() {
        for (text, form) in [
            ("aZ1 [", "AZ1 ["),
            // RFC 5051 2: its example.
            ("\u{1c4}", "D\u{7a}\u{30c}"),
            ("\u{1c6}\u{1c5}", "Dz\u{30c}Dz\u{30c}"),
            ("ü", "U\u{308}"),
            ("Ü", "U\u{308}"),
            ("u\u{308}", "U\u{308}"),
            ("ß", "ß"),
            ("ﬁ", "fi"),
            ("ǖ", "U\u{308}\u{304}"),
            ("д Ё", "Д Е\u{308}"),
            ("ς σ", "Σ Σ"),
            ("ᾳ", "Α\u{345}"),
            ("ᾄ", "Α\u{313}\u{301}\u{345}"),
            ("ა", "ა"),
            ("ı", "I"),
            ("…", "..."),
            ("Å", "A\u{30a}"),
            ("日本", "日本"),
            ("が", "か\u{3099}"),
            ("한", "\u{1112}\u{1161}\u{11ab}"),
            ("\u{a0}\u{3000}", "  "),
            ("😀", "😀"),
            ("𐐨", "𐐀"),
        ] {
            assert_eq!(casemap(text), form, "{text}");
        }
    }

    #[test]
    fn keys() {
        let key = |comparator: Comparator, text| String::from_utf8(comparator.key(text));
        assert_eq!(key(Comparator::Simple, "Straße é").as_deref(), Ok("STRAßE É"));
        assert_eq!(key(Comparator::UnicodeCasemap, "é_a").as_deref(), Ok("E\u{301}_A"));
        assert_eq!(key(Comparator::UnicodeCasemap, "a_").as_deref(), Ok("A_"));
    }

    /// Every form of two bytes fits into the table, and white space is what becomes a blank.
    #[test]
    fn every_character() {
        for c in '\u{80}'..=char::MAX {
            let mut form = Vec::new();
            Comparator::UnicodeCasemap.push(c, &mut form);
            let mut expected = Vec::new();
            decompose_compatible(title(c), |part| push_utf8(part, &mut expected));
            assert_eq!(form, expected, "{c:?}");
            assert_eq!(form == b" ", Comparator::UnicodeCasemap.is_space(c), "{c:?}");
        }
    }
}
