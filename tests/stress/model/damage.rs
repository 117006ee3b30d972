//! What may happen to the files that sessions keep beside the messages: they are lost, cut, flipped,
//! exchanged, or put back from yesterday.

use super::stage::{FACTS, FOLDERS, STATE, Stage, UIDS};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use support::Random;

/// Earlier copies of the files, by folder and name.
pub type Copies = HashMap<(usize, &'static str), Vec<Vec<u8>>>;

/// Keeps a copy of a file.
pub fn keep(stage: &Stage, copies: &mut Copies, folder: usize, name: &'static str) {
    let Ok(bytes) = fs::read(stage.path(folder).join(name)) else { return };
    let kept = copies.entry((folder, name)).or_default();
    kept.push(bytes);
    if kept.len() > 8 {
        kept.remove(1);
    }
}

/// Yesterday is longer ago than the clock of file times is coarse. By these times a session knows that
/// a file is not as it was left.
const A_WHILE: Duration = Duration::from_millis(25);

/// Puts bytes in the place of a file: by rename, or into the same file.
fn put(path: &Path, bytes: &[u8], by_rename: bool) -> io::Result<()> {
    std::thread::sleep(A_WHILE);
    if !by_rename {
        return fs::write(path, bytes);
    }
    let other = path.with_extension("other");
    fs::write(&other, bytes).and_then(|()| fs::rename(&other, path)).inspect_err(|_| {
        let _ = fs::remove_file(&other);
    })
}

/// Puts an earlier copy back, the last one (`last`) or any. `None`: there is none.
pub fn back(
    stage: &Stage,
    copies: &Copies,
    (folder, name): (usize, &'static str),
    last: bool,
    r: &mut Random,
) -> Option<()> {
    let kept = copies.get(&(folder, name)).filter(|kept| !kept.is_empty())?;
    let nth = if last { kept.len() - 1 } else { r.below(kept.len()) };
    let path = stage.path(folder).join(name);
    let bytes = &kept[nth];
    let now = fs::read(&path).unwrap_or_default();
    let (how, done) = match r.below(3) {
        0 if now.starts_with(bytes) => {
            std::thread::sleep(A_WHILE);
            let file = fs::File::options().write(true).open(&path);
            ("cut back", file.and_then(|file| file.set_len(bytes.len() as u64)))
        }
        0..2 => ("in place", put(&path, bytes, false)),
        _ => ("by rename", put(&path, bytes, true)),
    };
    let (old, len) = (bytes.len(), now.len());
    let folder = FOLDERS[folder];
    stage.note(format!(
        "    copy {nth} of {name} of {folder} ({old} bytes for {len}) {how}: {done:?}"
    ));
    Some(())
}

/// Does some harm.
pub fn damage(stage: &Stage, copies: &mut Copies, r: &mut Random) {
    let folder = r.below(FOLDERS.len());
    let name = [STATE, STATE, STATE, STATE, STATE, STATE, STATE, FACTS, UIDS, UIDS][r.below(10)];
    let path = stage.path(folder).join(name);
    keep(stage, copies, folder, name);
    if r.percent(35) && back(stage, copies, (folder, name), false, r).is_some() {
        return;
    }
    let Ok(mut bytes) = fs::read(&path) else {
        // A directory or a link of this name, from an earlier time.
        let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
        return;
    };
    let by_rename = r.percent(50);
    // Mostly near the end, where the last changes are.
    let at = match r.percent(60) {
        true => bytes.len().saturating_sub(1 + r.below(150)),
        false => r.below(bytes.len()),
    };
    let (what, done) = match r.below(12) {
        0 => ("deleted".to_owned(), fs::remove_file(&path)),
        1..4 => {
            bytes.truncate(at);
            (format!("cut at {at}"), put(&path, &bytes, by_rename))
        }
        4..7 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << r.below(8);
            }
            (format!("a bit flipped in byte {at}"), put(&path, &bytes, by_rename))
        }
        7 => {
            bytes.iter_mut().skip(at).for_each(|byte| *byte = 0);
            (format!("zeroes from {at}"), put(&path, &bytes, by_rename))
        }
        8 => {
            bytes.extend_from_within(at..);
            (format!("doubled from {at}"), put(&path, &bytes, by_rename))
        }
        9 => {
            let other = fs::read(stage.path(1 - folder).join(name)).unwrap_or_default();
            ("the other folder's".to_owned(), put(&path, &other, by_rename))
        }
        10 => {
            let noise: Vec<u8> = (0..r.below(400)).map(|_| r.number() as u8).collect();
            ("noise".to_owned(), put(&path, &noise, by_rename))
        }
        _ if name != UIDS => {
            let gone = fs::remove_file(&path);
            match r.percent(50) {
                true => ("a directory".to_owned(), gone.and_then(|()| fs::create_dir(&path))),
                false => {
                    let other = stage.path(1 - folder).join(name);
                    let link = || std::os::unix::fs::symlink(other, &path);
                    ("a link to the other folder's".to_owned(), gone.and_then(|()| link()))
                }
            }
        }
        _ => ("emptied".to_owned(), put(&path, b"", by_rename)),
    };
    let by = if by_rename { ", by rename" } else { "" };
    stage.note(format!("    {name} of {}: {what}{by}: {done:?}", FOLDERS[folder]));
}
