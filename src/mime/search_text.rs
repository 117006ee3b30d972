//! SEARCH's comparison: without regard to case and to the amount of white space (PROTOCOL 6.6).
//!
//! Both sides are brought to a normal form: characters in lower case by Unicode's simple mapping,
//! and one blank for each run of blank, tab, CR and LF. A pattern also loses the white space at its
//! ends. Text is pushed in chunks; a match may span them.

use memchr::memmem::Finder;

/// A pattern in normal form.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    finder: Finder<'static>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Simple lower-casing: one character for one.
fn lower(c: char) -> char {
    // The full mapping differs only for U+0130, whose simple one is the first character of the full
    // one.
    c.to_lowercase().next().unwrap_or(c)
}

/// Appends the normal form of `text`; `space` says whether the last character appended was white
/// space.
fn normalise(text: &str, space: &mut bool, out: &mut Vec<u8>) {
    let mut buf = [0; 4];
    for c in text.chars() {
        if is_space(c) {
            if !*space {
                out.push(b' ');
            }
            *space = true;
        } else {
            *space = false;
            if c.is_ascii() {
                out.push(c.to_ascii_lowercase() as u8);
            } else {
                out.extend_from_slice(lower(c).encode_utf8(&mut buf).as_bytes());
            }
        }
    }
}

impl Needle {
    /// A pattern as the client sent it, in UTF-8.
    pub(crate) fn new(pattern: &str) -> Needle {
        let mut form = Vec::with_capacity(pattern.len());
        normalise(pattern.trim_matches(is_space), &mut false, &mut form);
        Needle { finder: Finder::new(&form).into_owned() }
    }

    /// Matches everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.finder.needle().is_empty()
    }

    /// Whether a whole text contains the pattern.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let mut m = Matcher::new(std::slice::from_ref(self));
        m.push(text);
        m.found(0)
    }
}

/// Searches for several patterns in one stream of text.
pub(crate) struct Matcher<'n> {
    needles: &'n [Needle],
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
    /// Searches for these patterns at once.
    pub(crate) fn new(needles: &'n [Needle]) -> Self {
        let found: Vec<bool> = needles.iter().map(Needle::is_empty).collect();
        Matcher {
            open: found.iter().filter(|f| !**f).count(),
            found,
            blanks: needles.iter().any(|n| n.finder.needle().contains(&b' ')),
            keep: needles
                .iter()
                .map(|n| n.finder.needle().len())
                .max()
                .unwrap_or(0)
                .saturating_sub(1),
            needles,
            form: Vec::new(),
            space: false,
        }
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
        let old = self.form.len();
        if !self.blanks && chunk.is_ascii() {
            // White space cannot be part of a match; it need not be joined.
            self.form.extend_from_slice(chunk.as_bytes());
            if let Some(new) = self.form.get_mut(old..) {
                new.make_ascii_lowercase();
            }
            // White space at the start of the next chunk is not joined with it.
            self.space = false;
        } else {
            normalise(chunk, &mut self.space, &mut self.form);
        }
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
            assert_eq!(Needle::new(pattern).contains(text), want, "{pattern:?} in {text:?}");
        }
    }

    /// White space before an ASCII chunk is not joined with that after it.
    #[test]
    fn white_space_between_chunks() {
        let needles = [Needle::new("aé")];
        let mut m = Matcher::new(&needles);
        for chunk in ["é ", "a", " é"] {
            m.push(chunk);
        }
        assert!(!m.found(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
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
        ) {
            let whole = text.concat();
            let needles: Vec<Needle> = patterns.iter().map(|p| Needle::new(&p.concat())).collect();
            let mut m = Matcher::new(&needles);
            for chunk in text.chunks(cut) {
                m.push(&chunk.concat());
            }
            // The plain way.
            let mut form = Vec::new();
            normalise(&whole, &mut false, &mut form);
            for (n, p) in needles.iter().enumerate() {
                let want = memchr::memmem::find(&form, p.finder.needle()).is_some();
                prop_assert_eq!(m.found(n), want);
                prop_assert_eq!(p.contains(&whole), want);
            }
        }
    }
}
