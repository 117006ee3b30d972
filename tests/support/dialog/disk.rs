//! What a dialog does with the Maildir behind the session's back, and what it finds there.

use super::Step;
use super::pattern;
use super::play::Player;
use crate::text::show;
use crate::{maildir, now};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

impl Player<'_> {
    /// The steps that change files.
    pub(super) fn on_disk(&self, step: &Step) -> Result<(), String> {
        let root = self.maildir.path();
        let io = |e: std::io::Error| e.to_string();
        match step {
            Step::Folder(name) => {
                self.maildir.folder(name);
                Ok(())
            }
            Step::Uidvalidity(folder, n) => {
                let path = self.maildir.folder_path(folder).join("courierimapuiddb");
                fs::write(path, format!("1 {n} 1\n")).map_err(io)
            }
            Step::Messages(n, folder) => self.messages(*n, folder),
            Step::File { name, lines, time } => {
                let name = name.bytes(b"", &self.variables)?;
                let name = String::from_utf8_lossy(&name).into_owned();
                let mut content = Vec::new();
                for line in lines {
                    content.extend(line.bytes(b"\n", &self.variables)?);
                }
                self.maildir.write(&name, &content);
                time.map_or(Ok(()), |time| set_time(&root.join(name), time))
            }
            Step::Touch(name, time) => set_time(&self.path(name)?, *time),
            Step::Mkdir(name) => fs::create_dir_all(root.join(name)).map_err(io),
            Step::Remove(name) => {
                let path = self.path(name)?;
                let remove = if path.is_dir() { fs::remove_dir_all } else { fs::remove_file };
                remove(path).map_err(io)
            }
            Step::Move(from, to) => fs::rename(self.path(from)?, root.join(to)).map_err(io),
            Step::Symlink(target, name) => symlink(target, root.join(name)).map_err(io),
            Step::Mode(name, mode) => {
                fs::set_permissions(self.path(name)?, fs::Permissions::from_mode(*mode)).map_err(io)
            }
            _ => Err("not a step on disk".to_owned()),
        }
    }

    /// Small messages, an hour apart.
    fn messages(&self, count: usize, folder: &str) -> Result<(), String> {
        let folder = self.maildir.folder_path(folder);
        for k in 1..=count {
            let path = folder.join(format!("cur/{}.m{k}:2,", 1000 + k));
            let text = format!("From: sender{k}@example.com\nSubject: message {k}\n\nBody {k}\n");
            fs::write(&path, text).map_err(|e| e.to_string())?;
            set_time(&path, 1_700_000_000 + 3_600 * k as u64)?;
        }
        Ok(())
    }

    /// The lines of a file, the last one marked where it has no end.
    pub(super) fn lines_of(&self, name: &str) -> Result<Vec<Vec<u8>>, String> {
        let content = fs::read(self.path(name)?).map_err(|e| format!("{name}: {e}"))?;
        let mut lines: Vec<Vec<u8>> = content.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        if let Some(last) = lines.pop().filter(|last| !last.is_empty()) {
            lines.push([&last[..], b"%{raw}"].concat());
        }
        Ok(lines)
    }

    /// The files below a directory. What Courier notes about folders that are not there is left
    /// out.
    pub(super) fn files_of(&self, dir: &str) -> Vec<Vec<u8>> {
        let files = self.maildir.files_in(dir);
        let shown = files.iter().filter(|f| !f.starts_with("courierimaphieracl/"));
        let mut lines: Vec<Vec<u8>> = shown.map(|f| f.as_bytes().to_vec()).collect();
        lines.sort_by_key(|l| neutral(l));
        lines
    }

    /// A path of the Maildir; one `*` in the last component stands for whatever makes it the name
    /// of exactly one file.
    fn path(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.maildir.path().join(name);
        let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((start, end)) = last.split_once('*') else {
            return Ok(path);
        };
        let dir = path.parent().unwrap_or(&path);
        let entries =
            fs::read_dir(dir).map_err(|e| format!("{name}: {e}"))?.flatten().map(|e| e.path());
        let found: Vec<PathBuf> = entries
            .filter(|p| {
                let file = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
                file.len() >= start.len() + end.len()
                    && file.starts_with(start)
                    && file.ends_with(end)
            })
            .collect();
        match &found[..] {
            [one] => Ok(one.clone()),
            _ => Err(format!("{name}: {} files have such a name", found.len())),
        }
    }
}

fn set_time(path: &Path, seconds: u64) -> Result<(), String> {
    let file = fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).map_err(|e| e.to_string())
}

/// The Maildir as far as two servers can leave the same one: modes, names and contents without
/// times and unique names.
pub(super) fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    maildir::walk(root, &mut |path| {
        let notes = path.components().any(|c| c.as_os_str() == "courierimaphieracl");
        if notes || maildir::is_index(path) {
            return;
        }
        let Ok(meta) = fs::symlink_metadata(path) else {
            return;
        };
        let name = neutral(path.strip_prefix(root).unwrap_or(path).to_string_lossy().as_bytes());
        let content = if meta.is_file() {
            neutral(&fs::read(path).unwrap_or_default())
        } else {
            String::new()
        };
        let content = format!("{:06o} {content}", meta.mode());
        let mut key = name.clone();
        let mut copy = 1;
        while found.contains_key(&key) {
            copy += 1;
            key = format!("{name} ({copy})");
        }
        found.insert(key, content);
    });
    found
}

/// Text without what differs from run to run.
fn neutral(bytes: &[u8]) -> String {
    let era = now() - 1_000_000_000;
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let number: u64 =
            std::str::from_utf8(&rest[..digits]).ok().and_then(|d| d.parse().ok()).unwrap_or(0);
        if let Some(n) = pattern::unique_name(rest) {
            out.extend_from_slice(b"NAME");
            rest = &rest[n..];
        } else if number.abs_diff(era) < 10_000 {
            out.extend_from_slice(b"UIDVALIDITY");
            rest = &rest[digits..];
        } else if number.abs_diff(now() / 300) < 10 {
            out.extend_from_slice(b"TIME");
            rest = &rest[digits..];
        } else {
            let n = digits.max(1);
            out.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
        }
    }
    show(&out).replace("%{x0a}", "\n")
}
