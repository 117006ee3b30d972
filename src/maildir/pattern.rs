//! The patterns of LIST and LSUB (RFC 3501 6.3.8): `*` matches anything, `%` anything within one
//! level. Matching keeps a set of offsets in the pattern, so that no pattern takes more than the
//! product of the lengths of pattern and name.

use crate::types::limits::MAX_WILDCARDS;

/// A pattern, as names are in control files: UTF-8, with the namespace's prefix.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    /// `None` if there are too many wildcards.
    pub(crate) fn new(pattern: &[u8]) -> Option<Pattern> {
        let wildcards = pattern.iter().filter(|b| matches!(b, b'*' | b'%')).count();
        // Courier: more are "Invalid argument" (PROTOCOL 4.5).
        (wildcards <= MAX_WILDCARDS).then(|| Pattern(pattern.to_vec()))
    }

    /// The pattern that the reference and the pattern of LIST make (PROTOCOL 4.5, "Pattern
    /// resolution"): joined by a dot, without a dot at the end, the first level in its usual
    /// spelling. The caller has checked that the reference is valid.
    pub(crate) fn join(reference: &[u8], pattern: &[u8]) -> Vec<u8> {
        let reference = reference.strip_suffix(b".").unwrap_or(reference);
        let mut joined = match (reference.is_empty(), pattern.is_empty()) {
            (true, _) => pattern.to_vec(),
            (_, true) => reference.to_vec(),
            _ => [reference, b".", pattern].concat(),
        };
        if joined.ends_with(b".") {
            joined.pop();
        }
        // Courier's newer releases fold only the whole word: `INBOX*a` stays as it is.
        for word in [&b"INBOX"[..], b"shared"] {
            let ends = joined.get(word.len()).is_none_or(|b| !b.is_ascii_alphanumeric());
            if let Some(first) = joined.get_mut(..word.len())
                && first.eq_ignore_ascii_case(word)
                && ends
            {
                first.copy_from_slice(word);
            }
        }
        joined
    }

    /// Whether only `#shared` folders can match.
    pub(crate) fn is_index(&self) -> bool {
        self.0.starts_with(b"#shared.")
    }

    /// The pattern's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds an offset that is reached, and those that can be reached from it without reading
    /// anything, because a wildcard may match nothing. Offsets are added in ascending order.
    fn reach(&self, mut at: usize, offsets: &mut Vec<usize>) {
        while offsets.last().is_none_or(|last| *last < at) {
            offsets.push(at);
            if !matches!(self.0.get(at), Some(b'*' | b'%')) {
                break;
            }
            at = at.saturating_add(1);
        }
    }

    /// The offsets in the pattern, ascending, at which it can be after reading `name`.
    fn after(&self, name: &[u8]) -> Vec<usize> {
        let mut offsets = Vec::with_capacity(8);
        let mut next = Vec::with_capacity(8);
        self.reach(0, &mut offsets);
        for byte in name {
            next.clear();
            for offset in &offsets {
                let to = match self.0.get(*offset) {
                    // What follows matters no more.
                    Some(b'*') if offset.saturating_add(1) == self.0.len() => {
                        return vec![*offset, self.0.len()];
                    }
                    Some(b'*') => *offset,
                    Some(b'%') if *byte != b'.' => *offset,
                    Some(b) if b == byte => offset.saturating_add(1),
                    _ => continue,
                };
                self.reach(to, &mut next);
            }
            std::mem::swap(&mut offsets, &mut next);
            if offsets.is_empty() {
                break;
            }
        }
        offsets
    }

    /// Whether the pattern matches a name.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        // Most have one wildcard at most, a `*` in the end.
        match memchr::memchr2(b'*', b'%', &self.0).and_then(|at| self.0.split_at_checked(at)) {
            None => return self.0 == name,
            Some((start, _)) if !name.starts_with(start) => return false,
            Some((_, b"*")) => return true,
            _ => {}
        }
        self.after(name).last() == Some(&self.0.len())
    }

    /// Whether the pattern may match a name below `level`.
    pub(crate) fn may_match_below(&self, level: &[u8]) -> bool {
        let below = [level, b"."].concat();
        self.after(&below).iter().any(|offset| *offset < self.0.len())
    }
}

/// Patterns of which a name has to match one (RFC 5258 3).
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// All of them.
    pub(crate) fn new(patterns: Vec<Pattern>) -> Patterns {
        Patterns(patterns)
    }

    /// The patterns of the namespace that a name is in: each pattern is for one alone.
    fn for_name(&self, name: &[u8]) -> impl Iterator<Item = &Pattern> {
        let index = name.starts_with(b"#");
        self.0.iter().filter(move |pattern| pattern.is_index() == index)
    }

    /// Whether there are patterns for `#shared` folders, or for all others.
    pub(crate) fn has_any(&self, index: bool) -> bool {
        self.0.iter().any(|pattern| pattern.is_index() == index)
    }

    /// Whether a name matches.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.for_name(name).any(|pattern| pattern.matches(name))
    }

    /// Whether a name below `level` may match.
    pub(crate) fn may_match_below(&self, level: &[u8]) -> bool {
        self.for_name(level).any(|pattern| pattern.may_match_below(level))
    }
}

impl From<Pattern> for Patterns {
    fn from(pattern: Pattern) -> Patterns {
        Patterns(vec![pattern])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, as slow as it likes.
    fn model(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((b'*', rest)), _) => {
                model(rest, name) || name.split_first().is_some_and(|(_, n)| model(pattern, n))
            }
            (Some((b'%', rest)), _) => {
                model(rest, name)
                    || name.split_first().is_some_and(|(b, n)| *b != b'.' && model(pattern, n))
            }
            (Some((p, rest)), Some((b, n))) => p == b && model(rest, n),
            (Some(_), None) => false,
        }
    }

    #[test]
    fn table() {
        for (pattern, name, matches, below) in [
            ("*", "INBOX.a", true, true),
            ("%", "INBOX", true, false),
            ("%", "INBOX.a", false, false),
            ("INBOX.%", "INBOX", false, true),
            ("INBOX.%", "INBOX.a", true, false),
            ("INBOX.%.%", "INBOX.a", false, true),
            ("INBOX*", "INBOX", true, true),
            ("INBOX.a", "INBOX", false, true),
            ("INBOX.a", "INBOX.a", true, false),
            ("INBOX.ab", "INBOX.a", false, false),
            ("", "INBOX", false, false),
            ("#shared.J*", "#shared.J", true, true),
            ("#shared.J*", "#shared.K", false, false),
            ("%*%", "a.b", true, true),
        ] {
            let p = Pattern::new(pattern.as_bytes()).unwrap();
            assert_eq!(p.matches(name.as_bytes()), matches, "{pattern} {name}");
            assert_eq!(p.may_match_below(name.as_bytes()), below, "{pattern} below {name}");
        }
        assert!(Pattern::new(b"**********").is_some());
        assert!(Pattern::new(b"%*****%****").is_none());
    }

    #[test]
    fn joining() {
        for (reference, pattern, joined) in [
            ("", "*", "*"),
            ("INBOX", "%", "INBOX.%"),
            ("INBOX.", "%", "INBOX.%"),
            ("inbox", "a", "INBOX.a"),
            ("", "INBOX.", "INBOX"),
            ("", "inbox*a", "INBOX*a"),
            ("", "inboxa", "inboxa"),
            ("", "SHARED.*", "shared.*"),
            ("#shared.bob", "*", "#shared.bob.*"),
            ("INBOX", "", "INBOX"),
            ("", "", ""),
        ] {
            assert_eq!(
                Pattern::join(reference.as_bytes(), pattern.as_bytes()),
                joined.as_bytes(),
                "{reference:?} {pattern:?}"
            );
        }
    }

    #[test]
    fn long_patterns_are_quick() {
        let p = Pattern::new(&[&b"*a"[..]; 10].concat()).unwrap();
        assert!(!p.matches(&[b'a'; 5000].iter().copied().chain([b'b']).collect::<Vec<u8>>()));
        let p = Pattern::new(&[b"*".as_slice(), &[b'a'; 3000]].concat()).unwrap();
        assert!(!p.matches(&[b'a'; 2999]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn as_the_model(pattern in "[ab.*%]{0,8}", name in "[ab.]{0,10}") {
            if let Some(p) = Pattern::new(pattern.as_bytes()) {
                let expected = model(pattern.as_bytes(), name.as_bytes());
                prop_assert_eq!(p.matches(name.as_bytes()), expected);
            }
        }

        #[test]
        fn below(pattern in "[ab.*%]{0,6}", level in "[ab]{1,3}", rest in "[ab.]{1,6}") {
            let name = [level.as_bytes(), b".", rest.as_bytes()].concat();
            if let Some(p) = Pattern::new(pattern.as_bytes())
                && p.matches(&name)
            {
                prop_assert!(p.may_match_below(level.as_bytes()));
            }
        }
    }
}
