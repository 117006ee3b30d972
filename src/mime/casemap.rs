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
    #[inline]
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
            match (self, c.is_ascii()) {
                (_, true) => key.push(c.to_ascii_uppercase() as u8),
                (Comparator::Simple, false) => push_utf8(upper(c), &mut key),
                (Comparator::UnicodeCasemap, false) => push_casemap(c, &mut key),
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

/// Appends the simple upper case of a character.
pub(crate) fn push_upper(c: char, out: &mut Vec<u8>) {
    push_utf8(upper(c), out);
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

/// The form of one character. A longer one, of which there are few, is not kept: its length is 0.
#[derive(Clone, Copy, Default)]
struct Form {
    length: u8,
    bytes: [u8; 15],
}

/// The forms of 256 characters.
type Block = Vec<Form>;

/// The forms of all characters below U+20000 (emoji are), by block. To work each out takes ten times
/// as long as to look it up; a block is made when the first of its characters comes along.
static FORMS: [OnceLock<Block>; 512] = [const { OnceLock::new() }; 512];

/// Appends `i;unicode-casemap`'s form of a character that is not ASCII.
fn push_casemap(c: char, out: &mut Vec<u8>) {
    // Ideographs: no case, no parts.
    if matches!(c, '\u{3400}'..='\u{9fff}') {
        return push_utf8(c, out);
    }
    let code = u32::from(c);
    let block = FORMS.get((code >> 8) as usize);
    let form = block
        .and_then(|block| block.get_or_init(|| block_of(code >> 8)).get((code & 0xff) as usize));
    match form {
        Some(form) if form.length > 0 => {
            // A copy of fixed size is a move of registers.
            let end = out.len() + usize::from(form.length);
            out.extend_from_slice(&form.bytes);
            out.truncate(end);
        }
        _ => work_out(c, out),
    }
}

fn work_out(c: char, out: &mut Vec<u8>) {
    decompose_compatible(title(c), |part| push_utf8(part, out));
}

#[cold]
fn block_of(number: u32) -> Block {
    let mut text = Vec::new();
    let form = |low| {
        let mut form = Form::default();
        text.clear();
        if let Some(c) = char::from_u32((number << 8) | low) {
            work_out(c, &mut text);
        }
        if let Some(bytes) = form.bytes.get_mut(..text.len()) {
            bytes.copy_from_slice(&text);
            form.length = u8::try_from(text.len()).unwrap_or(0);
        }
        form
    };
    (0..256).map(form).collect()
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

    /// Every form is what is worked out, and white space is what becomes a blank.
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
