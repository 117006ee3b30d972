//! Writing a state, under the folder's lock: a record behind the others, or all of it anew.

use super::format::{self, Content, Header, Summary};
use super::journal::Record;
use super::read::decode;
use super::{NAME, Tail, is_in_time, now};
use crate::maildir::dir::MAX_CONTROL_FILE;
use crate::maildir::lock::Lock;
use crate::maildir::temporary::TemporaryFile;
use crate::maildir::{Entered, Store};
use crate::sys::stat::Stat;
use crate::sys::{fs, user};
use std::fs::File;
use std::io::{self, Write};

/// How often the time of a record that took longer to write is written again.
const MAX_TIMES: u32 = 3;

/// Appends a record to the state, under the lock, in the place of a torn end; the new end. An error:
/// it is as it was, as far as that is possible.
///
/// On a network file system the state is written anew with it. A host goes on for a second or more to
/// know a file by the length that it had before another host appended to it. That another file has
/// its name is seen at once (`sys/control.rs`).
pub(in crate::maildir) fn append(
    (store, dir, lock): (&Store, &Entered, &Lock),
    tail: &Tail,
    record: Record,
    summary: Summary,
) -> io::Result<Tail> {
    if !dir.folder().is_local() {
        let (data, _, stat) = dir.folder().read_control_file(NAME, MAX_CONTROL_FILE)?;
        let image = decode(&data, &stat).filter(|image| image.tail.is_at(tail));
        let image = image.and_then(|image| image.with(record, &summary));
        let image = image.ok_or_else(|| io::Error::other("the state was replaced"))?;
        return replace(store, dir, lock, &image.content());
    }
    let (file, stat) = dir.folder().open_append(NAME)?;
    let is_torn = !tail.is_whole && stat.len() > tail.end;
    if stat.inode().1 != tail.inode || stat.len() != tail.end && !is_torn {
        return Err(io::Error::other("the state was replaced"));
    }
    if is_torn {
        file.set_len(tail.end)?;
    }
    let tail = Tail { summary, is_whole: true, ..*tail };
    let appended = append_to(&file, record, &tail);
    if appended.is_err() {
        let _ = file.set_len(tail.end);
    }
    let appended = appended?;
    fs::close(file)?;
    Ok(appended)
}

/// Appends a record with the present time, by which others see whether the file was changed after
/// it. If writing took longer, one more with the time of its end.
fn append_to(mut file: &File, record: Record, tail: &Tail) -> io::Result<Tail> {
    let (mut tail, mut record) = (*tail, Some(record));
    for _ in 0..MAX_TIMES {
        tail.summary.written = now();
        let made = record.take().unwrap_or_default().finish(&tail.summary, tail.checksum);
        let (bytes, checksum) = made.ok_or_else(|| io::Error::other("a record too long"))?;
        file.write_all(&bytes)?;
        tail.end = tail.end.saturating_add(bytes.len() as u64);
        tail.checksum = checksum;
        tail.changed = Stat::of(file)?.ctime_nanos();
        if is_in_time(tail.changed, tail.summary.written) {
            break;
        }
    }
    Ok(tail)
}

/// Writes a new state in the place of the old one, under the lock; its end.
pub(in crate::maildir) fn replace(
    store: &Store,
    dir: &Entered,
    _lock: &Lock,
    content: &Content<'_>,
) -> io::Result<Tail> {
    let file = TemporaryFile::create(&store.config.host, dir.tmp()?, b"_state", 0o644)?;
    let inode = Stat::of(file.file()?)?.inode().1;
    let boot = user::boot_id().unwrap_or_default();
    let odd = || io::Error::other("a name that a state cannot hold");
    let (mut header, body) = content.encode((inode, boot, 0)).ok_or_else(odd)?;
    fs::write_at(file.file()?, &body, format::HEADER as u64)?;
    header.summary.written = now();
    let bytes = header.write();
    fs::write_at(file.file()?, &bytes, 0)?;
    let is_local = dir.folder().is_local();
    if !is_local {
        fs::sync_file(file.file()?)?;
    }
    let base = header.base_length().unwrap_or(u64::MAX);
    let tail = Tail {
        inode,
        header: (inode, boot),
        base,
        end: base,
        checksum: Header::seed(&bytes).unwrap_or_default(),
        is_whole: true,
        changed: i128::from(header.summary.written) * 1000,
        summary: header.summary,
        proof: header.proof,
    };
    // The rename is a change of the file, too.
    file.rename_to(dir.folder(), NAME)?;
    if is_local {
        let (file, stat) = dir.folder().open_append(NAME)?;
        let tail = Tail { changed: stat.ctime_nanos(), ..tail };
        if stat.inode().1 == inode && !is_in_time(tail.changed, tail.summary.written) {
            return append_to(&file, Record::default(), &tail);
        }
        return Ok(tail);
    }
    Ok(tail)
}
