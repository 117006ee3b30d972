//! The host's name, as a part of file names. `$HOSTNAME` is the administrator's to set, and must
//! not lead out of a directory or end a file name early.

/// A host's name as it may stand in a file name: `/` and `:` escaped as the Maildir format has it,
/// without control characters, never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Host(Vec<u8>);

impl Host {
    /// The safe form of a name.
    pub(crate) fn new(name: &[u8]) -> Host {
        let mut safe = Vec::with_capacity(name.len());
        for b in name {
            match b {
                b'/' => safe.extend_from_slice(b"\\057"),
                b':' => safe.extend_from_slice(b"\\072"),
                b if b.is_ascii_control() => safe.push(b'_'),
                b => safe.push(*b),
            }
        }
        Host(if safe.is_empty() { b"localhost".to_vec() } else { safe })
    }

    /// The bytes for a file name.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_cannot_break_a_name() {
        for (name, safe) in
            [("a.b", "a.b"), ("a/b:c", "a\\057b\\072c"), ("a\nb", "a_b"), ("", "localhost")]
        {
            assert_eq!(Host::new(name.as_bytes()).as_bytes(), safe.as_bytes());
        }
    }
}
