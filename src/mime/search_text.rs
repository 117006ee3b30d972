//! SEARCH's comparison: without regard to case and to the amount of white space (PROTOCOL 6.6).
//!
//! Both sides are brought to a normal form: characters in the form of the comparator, and one blank
//! for each run of white space. A pattern also loses the white space at its ends. Text is pushed in
//! chunks; a match may span them.

use super::casemap::Comparator;
use memchr::memmem::{self, Finder};

/// The normal form of a text that is no longer, in bytes, is made at one go.
const SHORT: usize = 64 * 1024;

/// A pattern in normal form.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    finder: Finder<'static>,
    comparator: Comparator,
    /// Whether it has a blank, so that runs of white space must be joined in a text. Otherwise they
    /// are no part of a match.
    has_blank: bool,
}

/// Appends the normal form of `text`; `space` says whether the last character appended was white
/// space. Runs of white space are joined where `joins` says so.
fn normalise(text: &str, comparator: Comparator, joins: bool, space: &mut bool, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        // Some words of ASCII are done at once.
        if begins_with_words(rest) {
            let (ascii, other) = rest.split_at(ascii_prefix(rest.as_bytes()));
            push_ascii(ascii.as_bytes(), comparator, joins, space, out);
            rest = other;
        }
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            if comparator.is_space(c) {
                if !(joins && *space) {
                    out.push(b' ');
                }
                *space = true;
            } else {
                *space = false;
                comparator.push(c, out);
            }
            if !c.is_ascii() && begins_with_words(chars.as_str()) {
                break;
            }
        }
        rest = chars.as_str();
    }
}

fn begins_with_words(text: &str) -> bool {
    text.as_bytes().first_chunk::<16>().is_some_and(|start| start.is_ascii())
}

/// How many bytes of ASCII a text starts with.
fn ascii_prefix(text: &[u8]) -> usize {
    encoding_rs::Encoding::ascii_valid_up_to(text)
}

/// Appends the normal form of ASCII: all of it at once, and then blanks are joined.
fn push_ascii(
    text: &[u8],
    comparator: Comparator,
    joins: bool,
    space: &mut bool,
    out: &mut Vec<u8>,
) {
    let Some(last) = text.last() else { return };
    let start = out.len();
    out.extend_from_slice(text);
    let new = out.get_mut(start..).unwrap_or_default();
    comparator.map_ascii(new);
    if joins {
        for b in new {
            *b = if matches!(*b, b'\t' | b'\r' | b'\n') { b' ' } else { *b };
        }
        join_blanks(start, *space, out);
    }
    *space = matches!(last, b' ' | b'\t' | b'\r' | b'\n');
}

/// Joins the blanks from `start` on, with one another and with one that came before (`after_blank`).
fn join_blanks(start: usize, mut after_blank: bool, out: &mut Vec<u8>) {
    let (mut at, mut kept) = (start, start);
    loop {
        let rest = out.get(at..).unwrap_or_default();
        if after_blank {
            at += rest.iter().take_while(|b| **b == b' ').count();
        }
        let rest = out.get(at..).unwrap_or_default();
        let double = memmem::find(rest, b"  ");
        let end = double.map_or(out.len(), |double| at + double + 1);
        out.copy_within(at..end, kept);
        kept += end - at;
        at = end;
        after_blank = true;
        if double.is_none() {
            break;
        }
    }
    out.truncate(kept);
}

impl Needle {
    /// A pattern as the client sent it, in UTF-8.
    pub(crate) fn new(pattern: &str, comparator: Comparator) -> Needle {
        let mut form = Vec::with_capacity(pattern.len());
        let pattern = pattern.trim_matches(|c| comparator.is_space(c));
        normalise(pattern, comparator, true, &mut false, &mut form);
        let has_blank = form.contains(&b' ');
        Needle { finder: Finder::new(&form).into_owned(), comparator, has_blank }
    }

    /// Matches everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.finder.needle().is_empty()
    }

    /// Whether a whole text contains the pattern. `form`: a buffer.
    pub(crate) fn contains(&self, text: &str, form: &mut Vec<u8>) -> bool {
        if text.len() > SHORT {
            let mut m = Matcher::new(std::slice::from_ref(self));
            m.push(text);
            return m.found(0);
        }
        form.clear();
        normalise(text, self.comparator, self.has_blank, &mut false, form);
        self.finder.find(form).is_some()
    }

    /// The same for a text that is ASCII.
    pub(crate) fn contains_ascii(&self, text: &[u8], form: &mut Vec<u8>) -> bool {
        debug_assert!(text.is_ascii(), "a text of ASCII");
        form.clear();
        push_ascii(text, self.comparator, self.has_blank, &mut false, form);
        self.finder.find(form).is_some()
    }
}

/// Searches for several patterns in one stream of text.
pub(crate) struct Matcher<'n> {
    needles: &'n [Needle],
    comparator: Comparator,
    found: Vec<bool>,
    open: usize,
    /// A pattern has a blank, so runs of white space must be joined.
    blanks: bool,
    /// How many bytes of earlier text must be kept: one less than the longest pattern has.
    keep: usize,
    form: Vec<u8>,
    space: bool,
}

impl<'n> Matcher<'n> {
    /// Searches for these patterns at once. They have one comparator.
    pub(crate) fn new(needles: &'n [Needle]) -> Self {
        let found: Vec<bool> = needles.iter().map(Needle::is_empty).collect();
        Matcher {
            open: found.iter().filter(|f| !**f).count(),
            found,
            blanks: needles.iter().any(|n| n.has_blank),
            keep: needles
                .iter()
                .map(|n| n.finder.needle().len())
                .max()
                .unwrap_or(0)
                .saturating_sub(1),
            comparator: needles.first().map_or(Comparator::Simple, |needle| needle.comparator),
            needles,
            form: Vec::new(),
            space: false,
        }
    }

    /// Before another text: nothing was found yet.
    pub(crate) fn begin(&mut self) {
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            *found = needle.is_empty();
        }
        self.open = self.found.iter().filter(|f| !**f).count();
        self.form.clear();
        self.space = false;
    }

    /// Takes the next chunk of text. Whether all patterns were found, so that no more need be
    /// pushed.
    pub(crate) fn push(&mut self, text: &str) -> bool {
        // Bounds what is kept of a large chunk.
        let mut rest = text;
        while self.open > 0 && !rest.is_empty() {
            let mut cut = rest.len().min(64 * 1024);
            while !rest.is_char_boundary(cut) {
                cut -= 1;
            }
            let (chunk, tail) = rest.split_at(cut);
            rest = tail;
            self.push_chunk(chunk);
        }
        self.all_found()
    }

    fn push_chunk(&mut self, chunk: &str) {
        normalise(chunk, self.comparator, self.blanks, &mut self.space, &mut self.form);
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            if !*found && needle.finder.find(&self.form).is_some() {
                *found = true;
                self.open -= 1;
            }
        }
        let surplus = self.form.len().saturating_sub(self.keep);
        self.form.drain(..surplus);
    }

    /// Whether the pattern with this number was found.
    pub(crate) fn found(&self, needle: usize) -> bool {
        self.found.get(needle).copied().unwrap_or(false)
    }

    /// Whether all were found.
    pub(crate) fn all_found(&self) -> bool {
        self.open == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (pattern, text, want) in [
            ("", "", true),
            (" \t", "x", true),
            ("é", "CAFÉ", true),
            ("e", "É", false),
            ("Hello  World", "say HELLO\r\n\tworld!", true),
            (" hello ", "xhellox", true),
            ("a b", "ab", false),
            ("ΑΣ", "ας ασ", true),
            ("İx", "ix", true),
            ("straße", "STRASSE", false),
            ("xyz", "xy", false),
        ] {
            let needle = Needle::new(pattern, Comparator::Simple);
            assert_eq!(needle.contains(text, &mut vec![1]), want, "{pattern:?} in {text:?}");
        }
        for (pattern, text, want) in [
            ("é", "CAFÉ", true),
            ("e", "É", true),
            ("É", "e\u{301}", true),
            ("é", "e", false),
            ("a b", "a\u{a0}\u{2003}b", true),
            ("\u{a0}x", "x", true),
            ("ΑΣ", "ας ασ", true),
            ("fi", "ﬁ", false),
            ("ﬁ", "ﬁ", true),
            ("straße", "STRASSE", false),
        ] {
            let needle = Needle::new(pattern, Comparator::UnicodeCasemap);
            assert_eq!(needle.contains(text, &mut vec![1]), want, "{pattern:?} in {text:?}");
        }
    }

    /// White space before an ASCII chunk is not joined with that after it.
    #[test]
    fn white_space_between_chunks() {
        let needles = [Needle::new("aé", Comparator::UnicodeCasemap)];
        let mut m = Matcher::new(&needles);
        for chunk in ["é ", "a", " é"] {
            m.push(chunk);
        }
        assert!(!m.found(0));
    }

    /// The normal form, a character at a time.
    fn plain_form(text: &str, comparator: Comparator) -> Vec<u8> {
        let (mut form, mut space) = (Vec::new(), false);
        for c in text.chars() {
            let is_space = comparator.is_space(c);
            match is_space {
                true if space => {}
                true => form.push(b' '),
                false => comparator.push(c, &mut form),
            }
            space = is_space;
        }
        form
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn normal_forms(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["a", "word and word ", "  ", "\r\n", "\t", "É", "\u{a0}", "日", "x y\n\nz"]),
                0..60,
            ),
            comparator in prop::sample::select(vec![Comparator::Simple, Comparator::UnicodeCasemap]),
        ) {
            let mut form = Vec::new();
            let mut space = false;
            pieces.iter().for_each(|p| normalise(p, comparator, true, &mut space, &mut form));
            let whole = pieces.concat();
            prop_assert_eq!(&form, &plain_form(&whole, comparator));
            let mut form = Vec::new();
            normalise(&whole, comparator, true, &mut false, &mut form);
            prop_assert_eq!(form, plain_form(&whole, comparator));
        }

        #[test]
        fn chunks_do_not_matter(
            text in prop::collection::vec(
                prop::sample::select(vec!["a", "B", "b", " ", "\n", "É", "é"]),
                0..40,
            ),
            patterns in prop::collection::vec(
                prop::collection::vec(prop::sample::select(vec!["a", "b", " ", "é"]), 0..5),
                1..4,
            ),
            cut in 1usize..6,
            comparator in prop::sample::select(vec![Comparator::Simple, Comparator::UnicodeCasemap]),
        ) {
            let whole = text.concat();
            let needles: Vec<Needle> = patterns.iter().map(|p| Needle::new(&p.concat(), comparator)).collect();
            let mut m = Matcher::new(&needles);
            for chunk in text.chunks(cut) {
                m.push(&chunk.concat());
            }
            // What came before another text is no part of it.
            let mut again = Matcher::new(&needles);
            again.push("ab é");
            again.begin();
            again.push(&whole);
            prop_assert_eq!(&again.found, &m.found);
            let form = plain_form(&whole, comparator);
            for (n, p) in needles.iter().enumerate() {
                let want = memchr::memmem::find(&form, p.finder.needle()).is_some();
                prop_assert_eq!(m.found(n), want);
                prop_assert_eq!(p.contains(&whole, &mut Vec::new()), want);
            }
        }
    }
}
