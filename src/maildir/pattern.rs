//! The patterns of LIST and LSUB (RFC 3501 6.3.8): `*` is anything, `%` anything within one level.
//! Matching keeps a set of places in the pattern, so that no pattern takes more than length times
//! length.

/// A pattern, in the form of control files (UTF-8, with the namespace's prefix).
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<u8>);

/// Courier refuses more wildcards than this with "Invalid argument" (PROTOCOL 4.5).
const WILDCARDS: usize = 10;

impl Pattern {
    /// `None` with too many wildcards.
    pub(crate) fn new(pattern: &[u8]) -> Option<Pattern> {
        let wildcards = pattern.iter().filter(|b| matches!(b, b'*' | b'%')).count();
        (wildcards <= WILDCARDS).then(|| Pattern(pattern.to_vec()))
    }

    /// The pattern that a reference and a pattern of LIST mean together (PROTOCOL 4.5, "Pattern
    /// resolution"): joined with a dot, without a dot at the end, the first level in its usual
    /// spelling. The reference must have been found valid.
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
        // The newer releases fold the word alone: `INBOX*a` stays as it is.
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

    /// The pattern's octets.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The places that can be reached from these without reading anything: a wildcard may stand for
    /// nothing.
    fn settle(&self, places: &mut Vec<usize>) {
        let mut all: Vec<usize> = Vec::with_capacity(places.len());
        for place in places.iter() {
            let mut at = *place;
            while all.last().is_none_or(|last| *last < at) {
                all.push(at);
                if !matches!(self.0.get(at), Some(b'*' | b'%')) {
                    break;
                }
                at = at.saturating_add(1);
            }
        }
        *places = all;
    }

    /// The places in the pattern, ascending, once `name` has been read.
    fn after(&self, name: &[u8]) -> Vec<usize> {
        let mut places = vec![0];
        self.settle(&mut places);
        for octet in name {
            let mut next: Vec<usize> = Vec::with_capacity(places.len().saturating_add(1));
            for place in &places {
                let to = match self.0.get(*place) {
                    Some(b'*') => *place,
                    Some(b'%') if *octet != b'.' => *place,
                    Some(b) if b == octet => place.saturating_add(1),
                    _ => continue,
                };
                if next.last().is_none_or(|last| *last < to) {
                    next.push(to);
                }
            }
            places = next;
            if places.is_empty() {
                break;
            }
            self.settle(&mut places);
        }
        places
    }

    /// Whether the pattern matches a name.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.after(name).last() == Some(&self.0.len())
    }

    /// Whether the pattern may match a name below `level`.
    pub(crate) fn may_match_below(&self, level: &[u8]) -> bool {
        let below = [level, b"."].concat();
        self.after(&below).iter().any(|place| *place < self.0.len())
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
                prop_assert_eq!(p.matches(name.as_bytes()), model(pattern.as_bytes(), name.as_bytes()));
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
