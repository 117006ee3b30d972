//! Names, patterns and the tree that the names make: pure.

use std::collections::BTreeSet;

/// A name to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// With its prefix, in UTF-8.
    pub name: Vec<u8>,
    /// It is one of the folders, not only the parent of one.
    pub real: bool,
    /// There are folders below it.
    pub children: bool,
}

/// Whether `name` is below `above`.
pub fn is_below(name: &[u8], above: &[u8]) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with(b"."))
}

/// A pattern with the wildcards of RFC 3501 6.3.8: `*` any text, `%` any without the separator.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// The five letters of a leading `INBOX` are any case, as are those of `shared` (PROTOCOL 4.1, 4.5).
    pub fn new(mut text: Vec<u8>) -> Pattern {
        for prefix in [&b"INBOX"[..], b"shared"] {
            let folded = text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
            let bounded = text.get(prefix.len()).is_none_or(|next| matches!(next, b'.' | b'*' | b'%'));
            if folded && bounded {
                text.splice(..prefix.len(), prefix.iter().copied());
            }
        }
        Pattern(text)
    }

    /// Whether it looks into the `#shared.` namespace, which nothing else reaches.
    pub fn is_index(&self) -> bool {
        self.0.starts_with(b"#shared.")
    }

    /// Whether a name matches. Linear in the name for each wildcard: the last `*` and the last `%` are the only places to go
    /// back to, and a `%` never needs to go back past a separator.
    pub fn matches(&self, name: &[u8]) -> bool {
        // Sets of pattern positions, one step an octet: no going back at all.
        let pattern = &self.0;
        let mut now = vec![false; pattern.len() + 1];
        let mut next = vec![false; pattern.len() + 1];
        let spread = |set: &mut Vec<bool>| {
            for (i, p) in pattern.iter().enumerate() {
                if matches!(p, b'*' | b'%')
                    && set.get(i) == Some(&true)
                    && let Some(slot) = set.get_mut(i + 1)
                {
                    *slot = true;
                }
            }
        };
        if let Some(first) = now.first_mut() {
            *first = true;
        }
        spread(&mut now);
        for b in name {
            next.fill(false);
            for (i, p) in pattern.iter().enumerate() {
                if now.get(i) != Some(&true) {
                    continue;
                }
                let to = match p {
                    b'*' => i,
                    b'%' if *b != b'.' => i,
                    b'%' => continue,
                    p if p == b => i + 1,
                    _ => continue,
                };
                if let Some(slot) = next.get_mut(to) {
                    *slot = true;
                }
            }
            spread(&mut next);
            std::mem::swap(&mut now, &mut next);
        }
        now.last() == Some(&true)
    }
}

/// The names that match among `folders` and the parents that these imply: INBOX first, then by name.
pub fn matches(folders: Vec<Vec<u8>>, pattern: &Pattern) -> Vec<Name> {
    let real: BTreeSet<Vec<u8>> = folders.into_iter().collect();
    let mut parents: BTreeSet<Vec<u8>> = BTreeSet::new();
    for name in &real {
        let mut rest: &[u8] = name;
        while let Some(dot) = memchr::memrchr(b'.', rest) {
            rest = rest.get(..dot).unwrap_or_default();
            // `#shared` itself is a prefix, not a level.
            if rest == b"#shared" || !parents.insert(rest.to_vec()) {
                break;
            }
        }
    }
    let mut names: Vec<Name> = real
        .union(&parents)
        .filter(|name| pattern.matches(name))
        .map(|name| Name { name: name.clone(), real: real.contains(name), children: parents.contains(name) })
        .collect();
    names.sort_by(|a, b| (a.name != b"INBOX", &a.name).cmp(&(b.name != b"INBOX", &b.name)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, name, is) in [
            ("*", "INBOX.a.b", true),
            ("%", "INBOX", true),
            ("%", "INBOX.a", false),
            ("INBOX.%", "INBOX.a", true),
            ("INBOX.%", "INBOX.a.b", false),
            ("INBOX.*", "INBOX", false),
            ("inbox.a", "INBOX.a", true),
            ("InBoX", "INBOX", true),
            ("inboxa", "INBOXa", false),
            ("INBOX*b", "INBOX.a.b", true),
            ("INBOX.%.b", "INBOX.a.b", true),
            ("%.%", "INBOX.a", true),
            ("*%", "INBOX.a", true),
            ("", "", true),
        ] {
            assert_eq!(Pattern::new(pattern.into()).matches(name.as_bytes()), is, "{pattern} {name}");
        }
    }

    #[test]
    fn parents_are_implied() {
        let names = ["INBOX", "INBOX.a.b", "INBOX.c"].map(|n| n.as_bytes().to_vec()).to_vec();
        let shown: Vec<String> = matches(names, &Pattern::new(b"*".to_vec()))
            .iter()
            .map(|n| format!("{} {} {}", String::from_utf8_lossy(&n.name), n.real, n.children))
            .collect();
        assert_eq!(shown, ["INBOX true true", "INBOX.a false true", "INBOX.a.b true false", "INBOX.c true false"]);
    }

    /// The obvious, exponential matcher.
    fn model(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((b'*', rest)), _) => model(rest, name) || name.split_first().is_some_and(|(_, tail)| model(pattern, tail)),
            (Some((b'%', rest)), _) => {
                model(rest, name) || name.split_first().is_some_and(|(c, tail)| *c != b'.' && model(pattern, tail))
            }
            (Some((p, rest)), Some((c, tail))) => p == c && model(rest, tail),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn as_the_model(pattern in "[ab.*%]{0,8}", name in "[ab.]{0,8}") {
            prop_assert_eq!(Pattern(pattern.clone().into_bytes()).matches(name.as_bytes()), model(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
