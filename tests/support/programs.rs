//! Where the programs are that the tests start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Our own binary, as Cargo has built it for this test; another one if IMAPD_UNDER_TEST names it.
pub fn postrider() -> PathBuf {
    std::env::var_os("IMAPD_UNDER_TEST")
        .map_or_else(|| profile_directory().join("imapd"), PathBuf::from)
}

/// Copies a program that is to be started. Another process does it: where this one has the file
/// open, the children that other tests start meanwhile have it, too, and it cannot be started
/// (ETXTBSY).
pub fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Courier's imapd, here or not; another one if COURIER_IMAPD names it.
pub fn courier() -> PathBuf {
    std::env::var_os("COURIER_IMAPD").map_or_else(|| PathBuf::from("/usr/bin/imapd"), PathBuf::from)
}

/// Courier's imapd. Where it is not installed, says what is left out.
pub fn courier_if_installed() -> Option<PathBuf> {
    let courier = courier();
    if is_program(&courier) {
        return Some(courier);
    }
    eprintln!("left out: {} is not installed (Debian: courier-imap)", courier.display());
    None
}

/// strace. Where it is not installed, says so.
pub fn strace() -> Option<&'static Path> {
    let strace = Path::new("/usr/bin/strace");
    if is_program(strace) {
        return Some(strace);
    }
    eprintln!("left out: strace is not installed");
    None
}

/// Whether a path may be executed.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Where Cargo puts the binaries of the profile that this test was built with: `target/debug`.
pub fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned()
}

/// A place for the tests' files: `target/tmp`. It has no sticky bit, as imapd wants it.
pub fn scratch_directory() -> PathBuf {
    let dir = profile_directory().with_file_name("tmp");
    fs::create_dir_all(&dir).expect("target/tmp");
    dir
}
