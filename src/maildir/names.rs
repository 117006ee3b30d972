//! Names that are given once: of temporary files, and of messages (STORAGE 1.2). No two deliveries
//! on any host ever share one, which is what lets a Maildir do without locks.

use super::Store;
use crate::sys::{clock, fs, user};
use crate::types::number;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A host name as it may stand in a file name: `/` and `:` as the Maildir format writes them, no
/// control characters.
pub(super) fn host(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for b in name {
        match b {
            b'/' => out.extend_from_slice(b"\\057"),
            b':' => out.extend_from_slice(b"\\072"),
            b if b.is_ascii_control() => out.push(b'_'),
            b => out.push(*b),
        }
    }
    if out.is_empty() { b"localhost".to_vec() } else { out }
}

/// The moment and the number of one message's name.
#[derive(Clone, Copy)]
pub(super) struct Stem {
    seconds: i64,
    micros: u32,
    count: u64,
}

impl Stem {
    /// A new one, with the next number of the process.
    pub(super) fn next(store: &Store) -> Stem {
        let (seconds, micros) = clock::now();
        let count = store.messages.get();
        store.messages.set(count.wrapping_add(1));
        Stem { seconds, micros, count }
    }

    fn start(self, out: &mut Vec<u8>) {
        number::push(out, u64::try_from(self.seconds).unwrap_or(0));
        out.extend_from_slice(b".M");
        number::push(out, u64::from(self.micros));
        out.push(b'P');
        number::push(out, u64::from(user::pid()));
    }

    fn end(self, store: &Store, size: Option<u64>, out: &mut Vec<u8>) {
        out.push(b'_');
        number::push(out, self.count);
        out.push(b'.');
        out.extend_from_slice(&store.host);
        if let Some(size) = size {
            out.extend_from_slice(b",S=");
            number::push(out, size);
        }
    }

    /// The name in `tmp`.
    pub(super) fn temporary(self, store: &Store, size: Option<u64>) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        self.start(&mut out);
        self.end(store, size, &mut out);
        out
    }

    /// The base name in `cur`, with the file's device and inode.
    pub(super) fn base(self, store: &Store, device: u64, inode: u64, size: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.start(&mut out);
        out.extend_from_slice(format!("V{device:016X}I{inode:016X}").as_bytes());
        self.end(store, Some(size), &mut out);
        out
    }
}

/// The tries at a name that turns out to be taken (each with a new moment) before it is an error.
const TRIES: u32 = 1000;

/// Makes a file `<T>.M<usec>P<pid><tag>.<host>` in `tmp`, open for reading and writing.
pub(crate) fn create_temporary(
    store: &Store,
    tmp: &Path,
    tag: &[u8],
    mode: u32,
) -> io::Result<(File, PathBuf)> {
    let mut tries = 0;
    loop {
        let (seconds, micros) = clock::now();
        let mut name = Vec::with_capacity(64);
        Stem { seconds, micros, count: 0 }.start(&mut name);
        name.extend_from_slice(tag);
        name.push(b'.');
        name.extend_from_slice(&store.host);
        let path = fs::join(tmp, &name);
        match fs::create_new(&path, mode) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                tries = tries.saturating_add(1);
                clock::sleep(std::time::Duration::from_micros(20));
            }
            other => return Ok((other?, path)),
        }
    }
}

/// A file in `tmp` that is removed when it was not put to use.
pub(super) struct Temporary {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Temporary {
    /// Makes one, see [`create_temporary`].
    pub(super) fn create(
        store: &Store,
        tmp: &Path,
        tag: &[u8],
        mode: u32,
    ) -> io::Result<Temporary> {
        let (file, path) = create_temporary(store, tmp, tag, mode)?;
        Ok(Temporary { path: Some(path), file: Some(file) })
    }

    /// The tag of the next temporary UID file: `_imapuid_<n>`.
    pub(super) fn uid_tag(store: &Store) -> Vec<u8> {
        let n = store.uid_files.get();
        store.uid_files.set(n.wrapping_add(1));
        let mut tag = b"_imapuid_".to_vec();
        number::push(&mut tag, n);
        tag
    }

    /// The open file; an error once it is closed.
    pub(super) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("closed"))
    }

    /// The path, empty once it is gone.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Syncs if asked to, and closes: from here on every octet is written or an error was told.
    pub(super) fn close(&mut self, sync: bool) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            if sync {
                fs::sync_file(&file)?;
            }
            fs::close(file)?;
        }
        Ok(())
    }

    /// Puts it in its place, replacing what is there.
    pub(super) fn rename_to(mut self, target: &Path) -> io::Result<()> {
        self.close(false)?;
        fs::rename(self.path(), target)?;
        self.path = None;
        Ok(())
    }

    /// Has been renamed by the caller: nothing to remove.
    pub(super) fn moved_to(&mut self, target: PathBuf) {
        self.path = Some(target);
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::unlink(path);
        }
    }
}

/// Where a name's suffix begins: at its last `:`.
pub(super) fn base_length(name: &[u8]) -> usize {
    memchr::memrchr(b':', name).unwrap_or(name.len())
}

/// What names are compared by: all before the first `:` (STORAGE 2.3).
pub(super) fn key_length(name: &[u8]) -> usize {
    memchr::memchr(b':', name).unwrap_or(name.len())
}

/// The order of new messages: the leading decimal number, then the octets (STORAGE 2.3).
pub(super) fn order(key: &[u8]) -> (i64, &[u8]) {
    (number::atoi(key), key)
}

/// A base name without a trailing `,S=<digits>` (STORAGE 1.4).
pub(super) fn without_size(base: &[u8]) -> &[u8] {
    let Some(comma) = memchr::memrchr(b',', base) else { return base };
    match base.get(comma..).and_then(|s| s.strip_prefix(b",S=")) {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            base.get(..comma).unwrap_or(base)
        }
        _ => base,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::maildir::Config;

    #[test]
    fn names_look_like_couriers() {
        let store = Store::new(Config { host: b"host1".to_vec(), ..Config::default() });
        let stem = Stem { seconds: 1_700_000_000, micros: 424_242, count: 0 };
        let pid = user::pid();
        assert_eq!(
            stem.temporary(&store, None),
            format!("1700000000.M424242P{pid}_0.host1").as_bytes()
        );
        assert_eq!(
            stem.temporary(&store, Some(17)),
            format!("1700000000.M424242P{pid}_0.host1,S=17").as_bytes()
        );
        assert_eq!(
            stem.base(&store, 0xFE00, 0x9AE523, 17),
            format!("1700000000.M424242P{pid}V000000000000FE00I00000000009AE523_0.host1,S=17")
                .as_bytes()
        );
    }

    #[test]
    fn hosts_cannot_break_a_name() {
        for (name, safe) in
            [("a.b", "a.b"), ("a/b:c", "a\\057b\\072c"), ("a\nb", "a_b"), ("", "localhost")]
        {
            assert_eq!(host(name.as_bytes()), safe.as_bytes());
        }
    }

    #[test]
    fn sizes_are_set_aside() {
        for (name, rest) in [
            ("1.a,S=12", "1.a"),
            ("1.a", "1.a"),
            ("1.a,S=", "1.a,S="),
            ("1.a,S=1x", "1.a,S=1x"),
            ("1.a,W=3", "1.a,W=3"),
        ] {
            assert_eq!(without_size(name.as_bytes()), rest.as_bytes());
        }
    }

    #[test]
    fn names_come_in_order() {
        let mut names = ["1000.x", "900.x", "x", "900.a", "1000.xa"];
        names.sort_by(|a, b| order(a.as_bytes()).cmp(&order(b.as_bytes())));
        assert_eq!(names, ["x", "900.a", "900.x", "1000.x", "1000.xa"]);
    }

    #[test]
    fn temporary_files_go_away() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(Config::default());
        let paths: Vec<_> = (0..50)
            .map(|_| Temporary::create(&store, dir.path(), b"_courierlock", 0o644).unwrap())
            .map(|t| t.path().to_owned())
            .collect();
        assert!(paths.iter().all(|p| !p.exists()));
        let mut kept = Temporary::create(&store, dir.path(), b"", 0o644).unwrap();
        kept.close(true).unwrap();
        kept.rename_to(&dir.path().join("x")).unwrap();
        assert!(dir.path().join("x").exists());
    }
}
