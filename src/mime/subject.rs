//! The base subject of RFC 5256 2.1, by which SORT and THREAD compare subjects.

use super::casemap::Comparator;
use super::{casemap, charset, encoded_word, header};
use crate::types::limits::MAX_COMPARED_FIELD;

/// A subject without what replies, forwards and mailing lists add to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BaseSubject {
    /// The rest, in upper case (Unicode, character by character), white-space runs one blank.
    pub(crate) text: String,
    /// The message is a reply or a forward: a `Re:` or `Fwd:`, a `(fwd)` or a `[Fwd: ]` was removed
    /// (RFC 5256 3).
    pub(crate) is_reply: bool,
}

impl BaseSubject {
    /// What it is compared by. RFC 5255 4.2: it is found before the comparator is applied.
    pub(crate) fn key(self, comparator: Comparator) -> Vec<u8> {
        match comparator {
            Comparator::UnicodeCasemap if !self.text.is_ascii() => comparator.key(&self.text),
            _ => self.text.into_bytes(),
        }
    }
}

/// The base subject of a Subject value, folded or not, with its encoded words.
pub(crate) fn base_subject(value: &[u8]) -> BaseSubject {
    let text = normal(header::trim(charset::cut(value, MAX_COMPARED_FIELD)));
    let (base, is_reply) = base_of(&text);
    let text = if base.len() == text.len() { text } else { base.to_owned() };
    BaseSubject { text, is_reply }
}

/// The base of a subject in normal form, and whether it is that of a reply or a forward.
fn base_of(text: &str) -> (&str, bool) {
    let mut is_reply = false;
    let mut s = text;
    loop {
        s = without_trailers(s, &mut is_reply);
        // (3) to (5)
        while matches!(s.as_bytes().first(), Some(b' ' | b'[' | b'R' | b'F')) {
            if let Some(rest) = s.strip_prefix(' ') {
                s = rest;
            } else if let Some(rest) = without_refwd(s) {
                s = rest;
                is_reply = true;
            } else if let Some(rest) = without_blob(s).filter(|rest| !rest.is_empty()) {
                s = rest;
            } else {
                break;
            }
        }
        // (6)
        match s.strip_prefix("[FWD:").and_then(|t| t.strip_suffix(']')) {
            Some(inner) => {
                s = inner;
                is_reply = true;
            }
            None => return (s, is_reply),
        }
    }
}

/// (1): decoded, upper case, white space to single blanks.
fn normal(value: &[u8]) -> String {
    let decoded = encoded_word::decode(value);
    if decoded.is_ascii() {
        let bytes = decoded.as_bytes();
        // All of it at once, which takes less time than to stop early.
        let breaks = |b: u8| matches!(b, b'\t' | b'\r' | b'\n');
        let has_breaks = bytes.iter().fold(false, |has, b| has | breaks(*b));
        let has_runs = bytes
            .iter()
            .zip(bytes.get(1..).unwrap_or_default())
            .fold(false, |has, (a, b)| has | ((*a == b' ') & (*b == b' ')));
        if !has_breaks && !has_runs {
            return decoded.to_ascii_uppercase();
        }
        let mut out = Vec::with_capacity(decoded.len());
        let mut blank = false;
        for b in decoded.bytes() {
            let is_blank = matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            if !(is_blank && blank) {
                out.push(if is_blank { b' ' } else { b.to_ascii_uppercase() });
            }
            blank = is_blank;
        }
        return String::from_utf8(out).unwrap_or_default();
    }
    let mut out = Vec::with_capacity(decoded.len() + 8);
    for c in decoded.chars() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            c if c.is_ascii() => out.push(c.to_ascii_uppercase() as u8),
            c => casemap::push_upper(c, &mut out),
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// (2): subj-trailer = "(fwd)" / WSP
fn without_trailers<'a>(mut s: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        if !matches!(s.as_bytes().last(), Some(b' ' | b')')) {
            return s;
        }
        s = s.trim_end_matches(' ');
        match s.strip_suffix("(FWD)") {
            Some(rest) => {
                s = rest;
                *is_reply = true;
            }
            None => return s,
        }
    }
}

/// subj-blob = "[" *BLOBCHAR "]" *WSP
fn without_blob(s: &str) -> Option<&str> {
    let inner = s.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    Some(inner.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

/// subj-leader = (*subj-blob subj-refwd) / WSP; subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob]
/// ":"
fn without_refwd(s: &str) -> Option<&str> {
    let mut s = s;
    while let Some(rest) = without_blob(s) {
        s = rest;
    }
    let s =
        s.strip_prefix("RE").or_else(|| s.strip_prefix("FWD")).or_else(|| s.strip_prefix("FW"))?;
    let s = s.trim_start_matches(' ');
    without_blob(s).unwrap_or(s).strip_prefix(':')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (subject, want, reply) in [
            ("Re[2]: [list] Summer (fwd)", "SUMMER", true),
            ("summer", "SUMMER", false),
            ("", "", false),
            ("Re:", "", true),
            ("  Re:  Fwd: FW:\n\tRe: x  y ", "X Y", true),
            ("Re : x", "X", true),
            ("Re [4] : x", "X", true),
            ("[a] [b] Re: x", "X", true),
            ("[a][b]", "[B]", false),
            ("[a]", "[A]", false),
            ("Re: [a]", "[A]", true),
            ("[Fwd: Re: x (fwd)]", "X", true),
            ("[Fwd: [Fwd: x]]", "X", true),
            ("[fwd: x] y", "Y", false),
            ("x (FWD) (fwd)", "X", true),
            ("Rex: y", "REX: Y", false),
            ("Regarding", "REGARDING", false),
            ("=?utf-8?q?Re=3A_caf=C3=A9?=", "CAFÉ", true),
            ("Aw: Straße", "AW: STRAßE", false),
            ("[a [b] x", "[A [B] X", false),
        ] {
            assert_eq!(
                base_subject(subject.as_bytes()),
                BaseSubject { text: want.into(), is_reply: reply },
                "{subject:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn anything(
            v in prop::collection::vec(
                prop::sample::select(vec![
                    "re", "[", "]", "fwd", ":", " ", "(fwd)", "[fwd:", "x", "é",
                ]),
                0..30,
            ),
        ) {
            let once = base_subject(v.concat().as_bytes());
            // The base subject of a base subject is itself.
            prop_assert_eq!(base_subject(once.text.as_bytes()).text, once.text);
        }
    }
}
