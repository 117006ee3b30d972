//! The Maildirs on which the servers play: one master for each size, and for each server a tree of
//! its own whose message files are hard links to the master's (messages never change), so that all
//! read the same pages from a warm cache.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of the account, for LIST.
pub const FOLDERS: usize = 5000;
/// The first of them hold mail, for STATUS.
pub const WITH_MAIL: usize = 500;
/// Messages in each of those.
pub const EACH: usize = 10;

/// The files of our index in a folder.
pub const STATE: &str = "postrider.state";
pub const FACTS: &str = "postrider.facts";

/// Folders of more messages have empty ones.
pub const LARGE: usize = 200_000;

/// The master of `count` messages below `base`, made when it is not there yet.
pub fn master(base: &Path, count: usize, generator: &Path) -> io::Result<PathBuf> {
    let dir = base.join(format!("master-{count}"));
    if dir.is_dir() {
        return Ok(dir);
    }
    let half = base.join(format!("master-{count}.half"));
    let _ = fs::remove_dir_all(&half);
    if count > LARGE {
        empty_ones(&half, count)?;
    } else {
        let status = Command::new(generator)
            .arg(count.to_string())
            .arg(&half)
            .args(["--folders", "0"])
            .stdout(io::stderr())
            .status()?;
        if !status.success() {
            return Err(io::Error::other("gen-maildir failed"));
        }
    }
    fs::rename(&half, &dir)?;
    Ok(dir)
}

/// Very many empty messages.
fn empty_ones(dir: &Path, count: usize) -> io::Result<()> {
    make(dir, false)?;
    for n in 0..count {
        let time = 1_577_836_800 + n;
        let name = format!("{time}.M{n}P1V000000000000FE00I{n:016X}_0.sample,S=0:2,S");
        fs::File::create_new(dir.join("cur").join(name))?;
    }
    Ok(())
}

/// The account with its many folders; kept from round to round.
pub fn account(maildir: &Path, master: &Path) -> io::Result<()> {
    if maildir.join(".f4999").is_dir() {
        return Ok(());
    }
    make(maildir, false)?;
    let mut messages = names(&master.join("cur"))?.into_iter().cycle();
    for n in 0..FOLDERS {
        let folder = maildir.join(format!(".f{n:04}"));
        make(&folder, true)?;
        if n < WITH_MAIL {
            for k in 0..EACH {
                if let Some(name) = messages.next() {
                    let from = master.join("cur").join(&name);
                    // A small master gives its messages to several folders, under other names.
                    fs::hard_link(from, folder.join("cur").join(format!("{k}{name}")))?;
                }
            }
        }
    }
    Ok(())
}

/// Removes our index of the folders that hold mail. The UIDs stay.
pub fn forget(maildir: &Path) -> io::Result<()> {
    let others = (0..WITH_MAIL).map(|n| format!(".f{n:04}"));
    for folder in others.chain([".bench".to_owned(), ".copy".to_owned()]) {
        for file in [STATE, FACTS] {
            match fs::remove_file(maildir.join(&folder).join(file)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A folder with the master's messages; what was there before goes.
pub fn fill(folder: &Path, master: &Path) -> io::Result<()> {
    clear(folder)?;
    make(folder, true)?;
    for sub in ["cur", "new"] {
        for name in names(&master.join(sub))? {
            fs::hard_link(master.join(sub).join(&name), folder.join(sub).join(&name))?;
        }
    }
    Ok(())
}

pub fn empty(folder: &Path) -> io::Result<()> {
    clear(folder)?;
    make(folder, true)
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn make(folder: &Path, sub_folder: bool) -> io::Result<()> {
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir_all(folder.join(sub))?;
    }
    if sub_folder {
        fs::write(folder.join("maildirfolder"), b"")?;
    }
    Ok(())
}

/// The names in a directory, in the order of the directory.
pub fn names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
}

/// How many messages lie in a folder.
pub fn count(folder: &Path) -> io::Result<u64> {
    Ok((fs::read_dir(folder.join("cur"))?.count() + fs::read_dir(folder.join("new"))?.count())
        as u64)
}

/// Some messages with CRLF line ends, for APPEND.
pub fn samples(master: &Path, wanted: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    for name in names(&master.join("cur"))?.into_iter().take(wanted) {
        let text = fs::read(master.join("cur").join(name))?;
        let mut wire = Vec::with_capacity(text.len() + text.len() / 20);
        for line in text.split_inclusive(|&b| b == b'\n') {
            wire.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            if line.ends_with(b"\n") {
                wire.extend_from_slice(b"\r\n");
            }
        }
        list.push(wire);
    }
    Ok(list)
}
