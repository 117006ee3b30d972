//! What the machine can do at best: the same system calls with nothing around them.

use super::client::Watch;
use super::mail;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let watch = Watch::on(None);
    work()?;
    Ok(watch.seconds())
}

/// fork, exec and exit of `true`.
pub fn exec() -> io::Result<f64> {
    let mut command = Command::new("/bin/true");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    // The work is done in the child: always by the clock.
    let begin = std::time::Instant::now();
    command.status()?;
    Ok(begin.elapsed().as_secs_f64())
}

/// A directory read of cur and new.
pub fn scan(folder: &Path) -> io::Result<f64> {
    timed(|| mail::count(folder).map(drop))
}

/// A directory read of every listed folder's cur and new.
pub fn scan_many(folders: &[std::path::PathBuf]) -> io::Result<f64> {
    timed(|| folders.iter().try_for_each(|f| mail::count(f).map(drop)))
}

/// One directory read of the account's root, and a look at each folder in it.
pub fn list(maildir: &Path) -> io::Result<f64> {
    timed(|| {
        for entry in fs::read_dir(maildir)? {
            entry?.file_type()?;
        }
        Ok(())
    })
}

/// Every file opened, read (at most `each` bytes) and closed.
pub fn read(folder: &Path, each: usize) -> io::Result<f64> {
    let names = mail::names(&folder.join("cur"))?;
    let mut buffer = vec![0; each.min(1 << 20)];
    let cur = folder.join("cur");
    timed(|| {
        for name in &names {
            let mut file = File::open(cur.join(name))?;
            let mut left = each;
            while left > 0 {
                let n = file.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                left -= n.min(left);
            }
        }
        Ok(())
    })
}

/// Every file renamed once; and back again afterwards, untimed.
pub fn rename(folder: &Path) -> io::Result<f64> {
    let names = mail::names(&folder.join("cur"))?;
    let cur = folder.join("cur");
    let seconds = timed(|| {
        names.iter().try_for_each(|n| fs::rename(cur.join(n), cur.join(format!("{n}Z"))))
    })?;
    names.iter().try_for_each(|n| fs::rename(cur.join(format!("{n}Z")), cur.join(n)))?;
    Ok(seconds)
}

/// As many hard links as asked for, then a sync of the directory.
pub fn link(folder: &Path, to: &Path, wanted: usize) -> io::Result<f64> {
    let names = mail::names(&folder.join("cur"))?;
    timed(|| {
        for name in names.iter().take(wanted) {
            fs::hard_link(folder.join("cur").join(name), to.join("cur").join(name))?;
        }
        File::open(to.join("cur"))?.sync_all()
    })
}

/// Each message written to tmp, renamed into cur, and synced with its directory if wished.
pub fn append(to: &Path, messages: &[Vec<u8>], sync: bool) -> io::Result<f64> {
    timed(|| {
        for (n, message) in messages.iter().enumerate() {
            let name = format!("{n}.limit");
            let mut file = File::create_new(to.join("tmp").join(&name))?;
            file.write_all(message)?;
            if sync {
                file.sync_all()?;
            }
            fs::rename(to.join("tmp").join(&name), to.join("cur").join(&name))?;
            if sync {
                File::open(to.join("cur"))?.sync_all()?;
            }
        }
        Ok(())
    })
}

/// Half of the files removed.
pub fn unlink(folder: &Path) -> io::Result<f64> {
    let names = mail::names(&folder.join("cur"))?;
    timed(|| {
        names
            .iter()
            .take(names.len() / 2)
            .try_for_each(|n| fs::remove_file(folder.join("cur").join(n)))
    })
}
