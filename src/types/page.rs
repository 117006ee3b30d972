//! A page of a result (RFC 9394).

use super::number;

/// `partial-range`: results by their places, counted from the first or from the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    /// One end of it, as it was written.
    pub(crate) from: u32,
    /// The other.
    pub(crate) to: u32,
    /// Whether the last result is number one.
    pub(crate) from_last: bool,
}

impl Page {
    /// `nz-number ":" nz-number`, or both with a minus (RFC 9394 4).
    pub(crate) fn parse(text: &[u8]) -> Option<Page> {
        let colon = memchr::memchr(b':', text)?;
        let (from, to) = (text.get(..colon)?, text.get(colon + 1..)?);
        let (from, to, from_last) = match (from.strip_prefix(b"-"), to.strip_prefix(b"-")) {
            (Some(from), Some(to)) => (from, to, true),
            _ => (from, to, false),
        };
        Some(Page { from: place(from)?, to: place(to)?, from_last })
    }

    /// The place that lies further inside of the result.
    pub(crate) fn depth(self) -> usize {
        self.from.max(self.to) as usize
    }

    /// The indices of its results among so many. A page beyond them is empty.
    pub(crate) fn within(self, count: usize) -> std::ops::Range<usize> {
        // RFC 9394 4: "A range 500:400 is the same as 400:500."
        let outer = (self.from.min(self.to) as usize).saturating_sub(1).min(count);
        let inner = self.depth().min(count);
        match self.from_last {
            true => count.saturating_sub(inner)..count.saturating_sub(outer),
            false => outer..inner,
        }
    }

    /// Its part of a result.
    pub(crate) fn of<T>(self, result: &[T]) -> &[T] {
        result.get(self.within(result.len())).unwrap_or_default()
    }
}

/// `nz-number`
fn place(digits: &[u8]) -> Option<u32> {
    if digits.first() == Some(&b'0') {
        return None;
    }
    number::digits(digits).and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let letters = b"abcde";
        for (range, page) in [
            ("1:2", "ab"),
            ("2:1", "ab"),
            ("5:5", "e"),
            ("4:9", "de"),
            ("6:9", ""),
            ("4294967295:1", "abcde"),
            ("-1:-2", "de"),
            ("-2:-1", "de"),
            ("-5:-5", "a"),
            ("-4:-9", "ab"),
            ("-6:-9", ""),
        ] {
            let parsed = Page::parse(range.as_bytes()).unwrap();
            assert_eq!(parsed.of(letters), page.as_bytes(), "{range}");
            assert!(parsed.of::<u8>(&[]).is_empty());
        }
        for bad in [
            "",
            "1",
            ":",
            "1:",
            ":1",
            "0:1",
            "1:0",
            "01:2",
            "1:*",
            "-1:2",
            "1:-2",
            "--1:-2",
            "4294967296:1",
            "1:2:3",
        ] {
            assert_eq!(Page::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
