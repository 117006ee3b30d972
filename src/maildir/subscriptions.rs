//! Subscriptions: `courierimapsubscribed`, one folder name per line (STORAGE 4.1). Old-style
//! `shared.` folders are not in it, see [`super::shared_link`].

use super::error::is_missing;
use super::host::Host;
use super::temporary;
use crate::sys::directory::Directory;
use crate::sys::fs;
use crate::types::limits::{MAX_SUBSCRIPTION_BYTES, MAX_SUBSCRIPTIONS};
use std::io;
use std::path::Path;
use std::rc::Rc;

const FILE: &[u8] = b"courierimapsubscribed";
/// The most bytes of the file.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// The subscriptions of one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriptions<'a> {
    /// The account's Maildir.
    pub(crate) root: &'a Path,
    /// The host in names of temporary files.
    pub(crate) host: &'a Host,
    /// `IMAP_FSYNC`.
    pub(crate) sync: bool,
}

impl Subscriptions<'_> {
    fn text(&self) -> io::Result<Vec<u8>> {
        match Directory::enter(self.root).and_then(|here| here.read_control(FILE, MAX_FILE)) {
            Err(e) if is_missing(&e) => Ok(Vec::new()),
            other => other,
        }
    }

    fn write(&self, lines: &[&[u8]]) -> io::Result<()> {
        let mut data = Vec::new();
        for line in lines {
            data.extend_from_slice(line);
            data.push(b'\n');
        }
        let maildir = Directory::enter(self.root)?;
        let tmp = Rc::new(maildir.open_directory(b"tmp")?);
        temporary::replace(
            (self.host, self.sync),
            (&tmp, b"_imapsubscribe0"),
            (&maildir, FILE),
            &data,
        )
    }

    /// The names in the order of the file, as control files have them: UTF-8, with the namespace's
    /// prefix. Empty lines are left out.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        Ok(lines(&self.text()?).into_iter().filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// Adds a name, unless the file has it. EFBIG if there are too many, EINVAL for a name that the
    /// file cannot hold.
    pub(crate) fn add(&self, name: &[u8]) -> io::Result<()> {
        let text = self.text()?;
        let mut lines = lines(&text);
        if lines.iter().any(|l| is_same(l, name)) {
            return Ok(());
        }
        // A name with a line break would be two.
        if name.contains(&b'\n') {
            return Err(fs::error(io::ErrorKind::InvalidInput));
        }
        if lines.len() >= MAX_SUBSCRIPTIONS
            || text.len().saturating_add(name.len()) >= MAX_SUBSCRIPTION_BYTES
        {
            return Err(fs::error(io::ErrorKind::FileTooLarge));
        }
        lines.push(name);
        self.write(&lines)
    }

    /// Removes every line with this name. The file is written even if there is none.
    pub(crate) fn remove(&self, name: &[u8]) -> io::Result<()> {
        let text = self.text()?;
        let mut lines = lines(&text);
        lines.retain(|l| !is_same(l, name));
        self.write(&lines)
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    if text.is_empty() {
        return Vec::new();
    }
    text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n').collect()
}

/// Whether two names are the same: case does not matter in a leading `INBOX`, and matters after it.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    match (a.split_at_checked(5), b.split_at_checked(5)) {
        (Some((a5, a_rest)), Some((b5, b_rest))) if a5.eq_ignore_ascii_case(b"INBOX") => {
            a5.eq_ignore_ascii_case(b5) && a_rest == b_rest
        }
        _ => a == b,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs as stdfs;

    #[test]
    fn as_courier_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        stdfs::create_dir(dir.path().join("tmp")).unwrap();
        let file = dir.path().join("courierimapsubscribed");
        let subs = Subscriptions { root: dir.path(), host: &Host::new(b"h"), sync: true };
        let text = || String::from_utf8(stdfs::read(&file).unwrap()).unwrap();
        assert!(subs.names().unwrap().is_empty());
        subs.add(b"INBOX.A").unwrap();
        subs.add(b"inbox.A").unwrap();
        subs.add(b"INBOX.a").unwrap();
        subs.add(b"#shared.x.y").unwrap();
        assert_eq!(text(), "INBOX.A\nINBOX.a\n#shared.x.y\n");
        subs.remove(b"Inbox.A").unwrap();
        assert_eq!(text(), "INBOX.a\n#shared.x.y\n");
        stdfs::write(&file, "INBOX.x\r\n\nINBOX.y\nINBOX.y\nlast").unwrap();
        subs.remove(b"INBOX.nope").unwrap();
        assert_eq!(text(), "INBOX.x\r\n\nINBOX.y\nINBOX.y\nlast\n");
        subs.remove(b"INBOX.y").unwrap();
        assert_eq!(text(), "INBOX.x\r\n\nlast\n");
        assert_eq!(subs.names().unwrap(), [b"INBOX.x\r".to_vec(), b"last".to_vec()]);
        stdfs::write(&file, "INBOX.x").unwrap();
        subs.add(b"INBOX.z").unwrap();
        assert_eq!(text(), "INBOX.x\nINBOX.z\n");
        assert_eq!(stdfs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn hostile_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("courierimapsubscribed");
        let subs = Subscriptions { root: dir.path(), host: &Host::new(b"h"), sync: true };
        std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        assert!(subs.names().is_err());
        stdfs::remove_file(&file).unwrap();
        stdfs::File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(subs.names().is_err());
        assert!(subs.add(b"INBOX.a").is_err());
        stdfs::write(&file, b"\n\n\0\xff\n").unwrap();
        assert_eq!(subs.names().unwrap(), [b"\0\xff".to_vec()]);
    }
}
