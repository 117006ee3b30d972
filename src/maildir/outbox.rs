//! The outbox: a message that APPEND or COPY puts into the folder of the setting `OUTBOX` is mailed
//! before it is stored (STORAGE 10.2).

use super::folder_names;
use crate::sys::{fs, process};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::Duration;

/// How many bytes of the mailer's output go to the log.
const MAX_OUTPUT: usize = 511;
/// What Courier logs after the mailer's output.
const FAILED: &[u8] = b"Message send FAILED.\n";
/// A mailer that neither reads nor writes nor ends for so long is killed.
const MAILER_TIMEOUT: Duration = Duration::from_secs(300);
/// How many bytes of the message the mailer gets at once.
const CHUNK: usize = 32 * 1024;

/// The outbox of a session.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// The folder's name on disk, without the dot in front.
    pub(crate) folder: Vec<u8>,
    /// `OUTBOX_MULTIPLE_SEND`: whether one COPY may mail several messages.
    pub(crate) multiple: bool,
    /// The program that mails.
    pub(crate) mailer: Mailer,
}

impl Outbox {
    /// The outbox by the setting `OUTBOX` (`.Outbox`); `None` if it is unset or not the name of a
    /// folder.
    pub(crate) fn new(setting: Option<&[u8]>, multiple: bool, mailer: Mailer) -> Option<Outbox> {
        let folder =
            setting?.strip_prefix(b".").filter(|name| folder_names::is_valid(name))?.to_vec();
        Some(Outbox { folder, multiple, mailer })
    }
}

/// The program that mails, and how it is called. Settings that are empty count as unset.
#[derive(Clone, Default, Debug)]
pub(crate) struct Mailer {
    /// `SENDMAIL`; `sendmail` from the mailer's PATH if unset.
    pub(crate) program: Option<Vec<u8>>,
    /// The envelope's sender: `AUTHADDR`, else `AUTHENTICATED`; without it there is no `-f`.
    pub(crate) sender: Option<Vec<u8>>,
    /// `HEADERFROM`: the name of a header field with the sender, added in front.
    pub(crate) header: Option<Vec<u8>>,
    /// The login, for the log.
    pub(crate) user: Vec<u8>,
}

/// The whole environment of the mailer: a usual PATH, and nothing of ours.
const ENVIRONMENT: [(&str, &str); 1] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")];

/// The mailer failed. The reason is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotSent;

impl Mailer {
    /// Mails a message by `SENDMAIL -oi -t -f SENDER`. The program gets the `HEADERFROM` field and
    /// then the whole file as it is on disk (LF line ends).
    pub(crate) fn send(&self, message: &File) -> Result<(), NotSent> {
        self.send_within(message, MAILER_TIMEOUT)
    }

    fn send_within(&self, message: &File, timeout: Duration) -> Result<(), NotSent> {
        let not_empty = |text: &Option<Vec<u8>>| text.clone().filter(|t| !t.is_empty());
        let program = not_empty(&self.program).unwrap_or_else(|| b"sendmail".to_vec());
        let sender = not_empty(&self.sender);
        let mut command = Command::new(OsStr::from_bytes(&program));
        command.args(["-oi", "-t"]);
        if let Some(sender) = &sender {
            command.arg("-f").arg(OsStr::from_bytes(sender));
        }
        command.env_clear().envs(ENVIRONMENT);
        let mut first = match (not_empty(&self.header), &sender) {
            (Some(header), Some(sender)) => Some([&*header, b": ", sender, b"\n"].concat()),
            _ => None,
        };
        let mut offset = 0u64;
        let next = || {
            if let Some(header) = first.take() {
                return Ok(Some(header));
            }
            let mut chunk = vec![0; CHUNK];
            let length = fs::read_at(message, &mut chunk, offset)?;
            offset = offset.saturating_add(length as u64);
            chunk.truncate(length);
            Ok((length > 0).then_some(chunk))
        };
        let why = match process::run_with_input(&mut command, next, MAX_OUTPUT, timeout) {
            Ok(fed) if fed.succeeded => return Ok(()),
            // Courier's words follow the mailer's, within the same limit.
            Ok(mut fed) => {
                fed.output.extend_from_slice(FAILED);
                fed.output.truncate(MAX_OUTPUT);
                crate::sys::log::shown(&fed.output, crate::sys::log::MAX_LINE)
            }
            Err(e) => format!("{}: {}", crate::sys::log::value(&program), fs::error_text(&e)),
        };
        let user = crate::sys::log::value(&self.user);
        log::error!(target: crate::sys::log::COURIER, "error sending a message, user={user}: {why}");
        Err(NotSent)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs as stdfs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// One test at a time: a script cannot be run while another thread's child still has it open
    /// for writing.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A mailer that is a shell script of this text.
    fn mailer(dir: &Path, script: &str) -> Mailer {
        let path = dir.join("mailer");
        stdfs::write(&path, format!("#!/bin/sh\ncd {}\n{script}", dir.display())).unwrap();
        stdfs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Mailer {
            program: Some(path.into_os_string().into_encoded_bytes()),
            sender: Some(b"joe".to_vec()),
            header: Some(b"X-IMAP-Sender".to_vec()),
            user: b"joe".to_vec(),
        }
    }

    fn message(dir: &Path, size: usize) -> File {
        let path = dir.join("message");
        stdfs::write(&path, [b"Subject: a\n\n".as_slice(), &vec![b'x'; size]].concat()).unwrap();
        File::open(path).unwrap()
    }

    #[test]
    fn the_program_and_its_input() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let m = mailer(
            dir.path(),
            "printf '%s\\n' \"$*\" > args; env | sort > env; ls /proc/self/fd > fds; \
             grep SigBlk /proc/self/status > sig; cat > in",
        );
        let file = message(dir.path(), 2);
        assert_eq!(m.send(&file), Ok(()));
        let read = |name: &str| stdfs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("args"), "-oi -t -f joe\n");
        assert_eq!(read("in"), "X-IMAP-Sender: joe\nSubject: a\n\nxx");
        assert_eq!(read("sig"), "SigBlk:\t0000000000000000\n");
        assert!(!read("env").contains("CARGO"), "{}", read("env"));
        // 3 is the listing's own.
        assert!(read("fds").lines().all(|l| ["0", "1", "2", "3"].contains(&l)), "{}", read("fds"));
        let m = Mailer { sender: None, ..m };
        assert_eq!(m.send(&file), Ok(()));
        assert_eq!(read("args"), "-oi -t\n");
        assert_eq!(read("in"), "Subject: a\n\nxx");
    }

    #[test]
    fn failures() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let file = message(dir.path(), 1_000_000);
        assert_eq!(
            mailer(dir.path(), "cat > /dev/null; echo no >&2; exit 1").send(&file),
            Err(NotSent)
        );
        assert_eq!(mailer(dir.path(), "kill -9 $$").send(&file), Err(NotSent));
        let m = mailer(dir.path(), "");
        let m = Mailer { program: Some(b"/nonexistent".to_vec()), ..m };
        assert_eq!(m.send(&file), Err(NotSent));
    }

    #[test]
    fn odd_mailers_do_not_hold_us() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let file = message(dir.path(), 1_000_000);
        // Does not read.
        assert_eq!(mailer(dir.path(), "exit 0").send(&file), Ok(()));
        assert_eq!(mailer(dir.path(), "exec < /dev/null; sleep 0.1; exit 0").send(&file), Ok(()));
        // Writes more than a pipe holds before it reads.
        assert_eq!(mailer(dir.path(), "head -c 300000 /dev/zero; cat > in").send(&file), Ok(()));
        assert_eq!(stdfs::metadata(dir.path().join("in")).unwrap().len(), 1_000_000 + 12 + 19);
        // Leaves something running that holds its output.
        assert_eq!(mailer(dir.path(), "cat > /dev/null; sleep 20 & exit 0").send(&file), Ok(()));
        // Closes its output and goes on.
        assert_eq!(
            mailer(dir.path(), "cat > /dev/null; exec > /dev/null 2>&1; sleep 0.1; exit 0")
                .send(&file),
            Ok(())
        );
        // Never ends.
        let m = mailer(dir.path(), "exec sleep 120");
        let before = crate::sys::clock::monotonic();
        assert_eq!(m.send_within(&file, Duration::from_millis(300)), Err(NotSent));
        assert!(before.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn the_folder() {
        for (setting, name) in [
            (Some(".Outbox"), Some("Outbox")),
            (Some(".Out.box"), Some("Out.box")),
            (Some("Outbox"), None),
            (Some(""), None),
            (Some("."), None),
            (Some("../x"), None),
            (Some(".a/b"), None),
            (None, None),
        ] {
            let outbox = Outbox::new(setting.map(str::as_bytes), false, Mailer::default());
            assert_eq!(
                outbox.map(|o| o.folder),
                name.map(|n| n.as_bytes().to_vec()),
                "{setting:?}"
            );
        }
    }
}
