//! The file of facts in words, and what is wrong with it: for `scripts/show-index`.

use super::record::{About, HEAD, Record, name_digest};
use super::{FILE_HEAD, Facts, NAME, generation_of};
use crate::maildir::details::Details;
use crate::maildir::state::inspect::Findings;
use crate::maildir::{Entered, Messages};
use crate::sys::fs;
use crate::sys::stat::Stat;
use std::fs::File;
use std::io;

/// Reads the file of facts of a folder. `known`: the messages, and what the folder's state says of
/// them.
pub(in crate::maildir) fn inspect(
    dir: &Entered,
    known: Option<(&Messages, &Details)>,
    out: &mut Findings,
) {
    let (file, stat) = match dir.folder().open(NAME) {
        Ok(opened) => opened,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            out.notes.push("there are no facts".to_owned());
            return;
        }
        Err(e) => {
            out.faults.push(format!("the facts cannot be read: {e}"));
            return;
        }
    };
    out.line(format!("facts: {} bytes, mode {:o}", stat.len(), stat.mode()));
    let Some(generation) = generation_of(&file) else {
        out.faults.push("the head of the facts is damaged, or of another version".to_owned());
        return;
    };
    out.line(format!("  generation {generation}"));
    let records = show_records(&file, &stat, out);
    let Some((messages, details)) = known else { return };
    if details.generation() != Some(generation) {
        out.notes.push("the state knows nothing of these facts: the next session does".to_owned());
        return;
    }
    let mut facts = Facts::of(file, stat.len());
    let mut used = 0usize;
    for i in 0..messages.len() {
        let Some(uid) = messages.uid(i).map(|uid| uid.get()) else { continue };
        let Some(offset) = details.get(uid).and_then(|detail| detail.facts) else { continue };
        let name = name_digest(messages.base_name(i));
        match facts.record(offset, uid, Some(name)) {
            Some(_) => used = used.saturating_add(1),
            None => out.faults.push(format!("the facts of UID {uid} are not at {offset}")),
        }
    }
    out.line(format!("  {used} of {records} records are of use"));
}

/// One line for each record; how many there are.
fn show_records(file: &File, stat: &Stat, out: &mut Findings) -> usize {
    let (mut at, mut count) = (FILE_HEAD as u64, 0usize);
    let mut head = [0; HEAD];
    while at < stat.len() {
        let record = fs::read_at(file, &mut head, at).ok().and_then(|_| {
            let mut bytes = vec![0; Record::length(&head)?];
            let got = fs::read_at(file, &mut bytes, at).ok()?;
            bytes.truncate(got);
            Some(bytes)
        });
        let Some(record) = record.as_deref().and_then(Record::read) else {
            let rest = stat.len().saturating_sub(at);
            // One that is of use is looked for below.
            out.notes.push(format!("the last {rest} bytes of the facts cannot be read in a row"));
            break;
        };
        let About { uid, name, inode, size, mtime } = record.about;
        out.line(format!(
            "  {at}: UID {uid}, name {name:08x}, inode {inode}, {size} bytes, mtime {mtime}: {} bytes",
            record.payload.len()
        ));
        at = at.saturating_add((HEAD as u64).saturating_add(record.payload.len() as u64));
        count = count.saturating_add(1);
    }
    count
}
