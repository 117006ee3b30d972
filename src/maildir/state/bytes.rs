//! Numbers and byte strings as the index files have them: little-endian, lengths before contents.

/// Bytes of a file that are being read. Each question is `None` where they end.
#[derive(Clone, Copy)]
pub(in crate::maildir) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// From the beginning.
    pub(in crate::maildir) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    /// The next `n` bytes.
    pub(in crate::maildir) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// One byte.
    pub(in crate::maildir) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes.
    pub(in crate::maildir) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub(in crate::maildir) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub(in crate::maildir) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes with a sign.
    pub(in crate::maildir) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A string: two bytes of length, then as many.
    pub(in crate::maildir) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// How many bytes are left.
    pub(in crate::maildir) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all was read.
    pub(in crate::maildir) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes of a file that are being made.
pub(in crate::maildir) trait Output {
    /// One byte.
    fn u8(&mut self, n: u8);
    /// Two bytes.
    fn u16(&mut self, n: u16);
    /// Four bytes.
    fn u32(&mut self, n: u32);
    /// Eight bytes.
    fn u64(&mut self, n: u64);
    /// Eight bytes with a sign.
    fn i64(&mut self, n: i64);
    /// A string: two bytes of length, then as many. Of a longer one only the beginning.
    fn string(&mut self, bytes: &[u8]);
    /// The number of things that follow, four bytes.
    fn count(&mut self, n: usize);
}

impl Output for Vec<u8> {
    fn u8(&mut self, n: u8) {
        self.push(n);
    }
    fn u16(&mut self, n: u16) {
        self.extend_from_slice(&n.to_le_bytes());
    }
    fn u32(&mut self, n: u32) {
        self.extend_from_slice(&n.to_le_bytes());
    }
    fn u64(&mut self, n: u64) {
        self.extend_from_slice(&n.to_le_bytes());
    }
    fn i64(&mut self, n: i64) {
        self.extend_from_slice(&n.to_le_bytes());
    }
    fn string(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.u16(length);
        self.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or(bytes));
    }
    fn count(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }
}
