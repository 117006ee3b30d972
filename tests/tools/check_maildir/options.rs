//! The command line of check-maildir.

use lexopt::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

pub const USAGE: &str =
    "usage: check-maildir [--courier PROGRAM] [--ours PROGRAM] [--work DIR] [--env NAME=VALUE]...
                     [--user NAME] [--show N] [--copy] [--keep] MAILDIR
Courier's imapd and ours open every folder of MAILDIR side by side, each on a copy of its own (with
root's rights and a kernel that has it: an overlay). UIDs, flags, keywords, sizes, envelopes,
structures, bodies, parts and header fields are compared, and what both leave on disk. MAILDIR is
only read. Exit status 0: nothing but what postrider-courier(7) says; 1: something else; 2: it could
not be done.
  --courier PROGRAM  /usr/bin/imapd, or imapd.courier beside it where ours is swapped in
  --ours PROGRAM     target/release/imapd
  --work DIR         where the copies are made, and removed at the end (target/check-maildir);
                     not a directory with the sticky bit
  --env NAME=VALUE   a setting for both servers; scripts/check-maildir takes them from
                     /etc/courier/imapd where that can be read
  --user NAME        the account's name (the owner's)
  --show N           how many findings are shown in full (20)
  --copy             copies even where an overlay could be had
  --keep             keeps the copies";

pub struct Options {
    pub courier: PathBuf,
    pub ours: PathBuf,
    pub work: PathBuf,
    pub maildir: PathBuf,
    pub env: Vec<(String, String)>,
    pub user: String,
    pub show: usize,
    pub overlay: bool,
    pub keep: bool,
}

/// The command line.
pub fn options() -> Result<Options, lexopt::Error> {
    let mut o = Options {
        courier: PathBuf::from(if Path::new("/usr/bin/imapd.courier").exists() {
            "/usr/bin/imapd.courier"
        } else {
            "/usr/bin/imapd"
        }),
        ours: PathBuf::from("target/release/imapd"),
        work: PathBuf::from("target/check-maildir"),
        maildir: PathBuf::new(),
        env: Vec::new(),
        user: String::new(),
        show: 20,
        overlay: false,
        keep: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("courier") => o.courier = parser.value()?.into(),
            Long("ours") => o.ours = parser.value()?.into(),
            Long("work") => o.work = parser.value()?.into(),
            Long("user") => o.user = parser.value()?.string()?,
            Long("show") => o.show = parser.value()?.parse()?,
            Long("env") => {
                let text = parser.value()?.string()?;
                let (name, value) = text.split_once('=').ok_or("--env wants NAME=VALUE")?;
                o.env.push((name.to_owned(), value.to_owned()));
            }
            // Set by the script where private mounts were made possible.
            Long("overlay") => o.overlay = true,
            Long("copy") => o.overlay = false,
            Long("keep") => o.keep = true,
            Long("help") | Short('h') => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            Value(maildir) if o.maildir.as_os_str().is_empty() => o.maildir = maildir.into(),
            _ => return Err(argument.unexpected()),
        }
    }
    if o.maildir.as_os_str().is_empty() {
        return Err("which MAILDIR?".into());
    }
    Ok(o)
}

/// The options with full paths, and the place for the copies made.
pub fn prepared(mut o: Options) -> Result<Options, String> {
    let full = |p: &Path| fs::canonicalize(p).map_err(|e| format!("{}: {e}", p.display()));
    (o.maildir, o.courier, o.ours) = (full(&o.maildir)?, full(&o.courier)?, full(&o.ours)?);
    fs::create_dir_all(&o.work).map_err(|e| format!("{}: {e}", o.work.display()))?;
    o.work = full(&o.work)?;
    if !o.maildir.join("cur").is_dir() {
        return Err(format!("{} is not a Maildir", o.maildir.display()));
    }
    if o.work.starts_with(&o.maildir) {
        return Err("the copies must not be made inside the Maildir".to_owned());
    }
    Ok(o)
}
