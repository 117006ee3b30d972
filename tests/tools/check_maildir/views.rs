//! The two views of the Maildir, one for each server: overlays where that is possible, copies
//! elsewhere; and what was left in them.

use crate::listing::{self, LeftOut};
use crate::{Options, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

const SIDES: [&str; 2] = ["courier", "ours"];

/// Two homes, each with its `Maildir`.
pub fn prepare(o: &Options, home: &Path, left_out: &mut LeftOut) -> Result<&'static str, String> {
    let owner = fs::metadata(&o.maildir).map_err(|e| e.to_string())?;
    let mut how = "copy";
    // The Maildir's owner must get there, and need not get to where the program was built.
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|e| e.to_string())
    };
    open(&o.work, 0o711)?;
    open(home, 0o711)?;
    fs::copy(&o.ours, home.join("imapd")).map_err(|e| e.to_string())?;
    open(&home.join("imapd"), 0o755)?;
    for side in SIDES {
        let place = home.join(side);
        let view = place.join("Maildir");
        fs::create_dir(&place).map_err(|e| e.to_string())?;
        let path = o.maildir.to_string_lossy();
        if o.overlay && !path.contains([':', ',', '\\']) && overlay(&path, &place) {
            // The top directory of an overlay is as its upper one was made.
            std::os::unix::fs::chown(&view, Some(owner.uid()), Some(owner.gid()))
                .map_err(|e| e.to_string())?;
            open(&view, owner.mode() & 0o7777)?;
            listing::tidy(&view, &o.maildir, left_out).map_err(|e| e.to_string())?;
            how = "overlay";
        } else {
            listing::copy(&o.maildir, &view, left_out)
                .map_err(|e| format!("while copying: {e}"))?;
        }
        let _ = std::os::unix::fs::chown(&place, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(how)
}

/// Mounts a view of the Maildir whose changes go elsewhere. Only in the private table of mounts
/// that the script makes.
fn overlay(maildir: &str, place: &Path) -> bool {
    let dirs = ["Maildir", "upper", "work"].map(|d| place.join(d));
    if dirs.iter().any(|d| fs::create_dir(d).is_err()) {
        return false;
    }
    let options =
        format!("lowerdir={maildir},upperdir={},workdir={}", dirs[1].display(), dirs[2].display());
    let done = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&dirs[0])
        .output();
    let done = done.is_ok_and(|out| out.status.success());
    if !done {
        for dir in &dirs {
            let _ = fs::remove_dir_all(dir);
        }
    }
    done
}

/// Takes the views away again.
pub fn clean(o: &Options, home: &Path) {
    if o.overlay {
        for side in SIDES {
            // Lazily: Courier's notification library may leave a helper that looks at it a little
            // longer.
            let _ = Command::new("umount").arg("-l").arg(home.join(side).join("Maildir")).output();
        }
    }
    if let Err(e) = fs::remove_dir_all(home) {
        eprintln!("{}: {e}", home.display());
    }
    let _ = fs::remove_dir(&o.work);
}

/// What both servers left behind: which message files, under which UIDs.
pub fn compare_disk(home: &Path, report: &mut Report) -> Result<(), String> {
    let view = |side: &str| -> Result<BTreeMap<String, Vec<u8>>, String> {
        let root = home.join(side).join("Maildir");
        let mut found = BTreeMap::new();
        for path in listing::listing(&root).map_err(|e| e.to_string())?.into_keys() {
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
            if name.ends_with("courierimapuiddb") {
                let content = fs::read(&path).unwrap_or_default();
                // The first line holds a UIDVALIDITY that may have been made just now; SELECT has
                // compared the old ones.
                let mut lines: Vec<&[u8]> = content.split(|&b| b == b'\n').skip(1).collect();
                lines.sort_unstable();
                found.insert(name, lines.join(&b'\n'));
            } else if name.contains("/cur/")
                || name.contains("/new/")
                || name.starts_with("cur/")
                || name.starts_with("new/")
            {
                found.insert(name, Vec::new());
            }
        }
        Ok(found)
    };
    let (c, o) = (view("courier")?, view("ours")?);
    for name in c.keys().chain(o.keys()).collect::<BTreeSet<_>>() {
        report.values += 1;
        match (c.get(name), o.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(_), Some(_)) => report.find(format!("on disk: {name} has other contents")),
            (Some(_), None) => report.find(format!("on disk: only Courier has {name}")),
            (None, _) => report.find(format!("on disk: only ours has {name}")),
        }
    }
    Ok(())
}
