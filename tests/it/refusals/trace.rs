//! What strace writes, and which call of it a row of the table means.

use std::path::Path;

/// The system calls that a row may name, each with those that do the same.
pub(super) const FAMILIES: &[(&str, &[&str])] = &[
    ("open", &["open", "openat", "openat2"]),
    ("stat", &["statx", "newfstatat", "fstat", "stat", "lstat"]),
    ("access", &["access", "faccessat", "faccessat2"]),
    ("read", &["pread64", "read"]),
    ("write", &["write"]),
    ("close", &["close"]),
    ("getdents", &["getdents64"]),
    ("fsync", &["fsync", "fdatasync"]),
    ("fallocate", &["fallocate"]),
    ("ftruncate", &["ftruncate"]),
    ("utimensat", &["utimensat"]),
    ("link", &["link", "linkat"]),
    ("symlink", &["symlink", "symlinkat"]),
    ("rename", &["rename", "renameat", "renameat2"]),
    ("unlink", &["unlink", "unlinkat"]),
    ("rmdir", &["rmdir", "unlinkat"]),
    ("mkdir", &["mkdir", "mkdirat"]),
    ("chmod", &["chmod", "fchmod", "fchmodat", "fchmodat2"]),
    ("statfs", &["statfs", "fstatfs"]),
    ("watch", &["inotify_add_watch"]),
    ("inotify", &["inotify_init1"]),
];

/// A call that a row means: `open cur/1001.x:2,`. With `#2` at the end it is the second one of the
/// command; with `always` in front every such call is refused, from the session's start on.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) names: &'static [&'static str],
    pub(super) path: &'a str,
    pub(super) number: usize,
    pub(super) always: bool,
}

impl<'a> Target<'a> {
    pub(super) fn parse(text: &'a str) -> Target<'a> {
        let (always, text) = match text.strip_prefix("always ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (text, number) = match text.split_once(" #") {
            Some((text, number)) => (text, number.parse().unwrap()),
            None => (text, 1),
        };
        let (name, path) = text.split_once(' ').unwrap_or((text, ""));
        let family = FAMILIES.iter().find(|(family, _)| *family == name);
        let names = family.unwrap_or_else(|| panic!("no calls are called {name}")).1;
        Target { names, path, number, always }
    }

    /// Whether a call is one of those that are meant.
    pub(super) fn is(&self, call: &Call) -> bool {
        let right_path = self.path.is_empty() || call.paths.iter().any(|path| path == self.path);
        self.names.contains(&&*call.name) && right_path
    }
}

/// One system call.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) name: String,
    /// The files that it is about, as paths in the Maildir; a name that is made anew each time
    /// begins with `NEW`.
    pub(super) paths: Vec<String>,
    /// How many calls of this name there were up to this one, from the start of the process.
    pub(super) ordinal: usize,
    /// Whether it was refused by strace.
    pub(super) injected: bool,
    /// Whether it belongs to the command that is examined.
    pub(super) in_command: bool,
}

/// The calls in a trace (`strace -y`). The command is the one that begins with the tag `cmd`.
pub(super) fn read(text: &str, maildir: &Path) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut in_command = false;
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        if name == "read" && rest.starts_with("0<") {
            in_command = rest.contains("\"cmd ");
        }
        let ordinal = calls.iter().filter(|c| c.name == name).count() + 1;
        calls.push(Call {
            name: name.to_owned(),
            paths: paths(name, rest, maildir),
            ordinal,
            injected: rest.ends_with("(INJECTED)"),
            in_command,
        });
    }
    calls
}

/// The paths among the arguments. A name after a descriptor is one in that directory.
pub(crate) fn paths(call: &str, arguments: &str, maildir: &Path) -> Vec<String> {
    let has_data = matches!(call, "read" | "pread64" | "write");
    let mut found = Vec::new();
    let mut rest = arguments.split_once(") = ").map_or(arguments, |(arguments, _)| arguments);
    while let Some(at) = rest.find(['<', '"']) {
        let is_descriptor = rest.as_bytes()[at] == b'<';
        let (_, after) = rest.split_at(at + 1);
        let end = if is_descriptor { '>' } else { '"' };
        let (text, after) = after.split_once(end).unwrap_or((after, ""));
        rest = after;
        let mut path = text.to_owned();
        if has_data {
            rest = "";
        } else if is_descriptor && let Some(name) = rest.strip_prefix(", \"") {
            let (name, after) = name.split_once('"').unwrap_or((name, ""));
            rest = after;
            if name.starts_with('/') {
                path = name.to_owned();
            } else if !name.is_empty() {
                path = format!("{path}/{name}");
            }
        }
        let path = path.replace("/./", "/");
        let path = path.strip_suffix("/.").unwrap_or(&path);
        let inside = Path::new(path).strip_prefix(maildir).ok();
        let inside = inside.map_or(path.to_owned(), |p| p.to_string_lossy().into_owned());
        let inside = inside.strip_prefix("./").unwrap_or(&inside);
        found.push(if inside.is_empty() { ".".to_owned() } else { stable(inside) });
    }
    found
}

/// A path without what is different each time: of a name that we made, `NEW`, what is between `_`
/// and `.`, and what follows `:` are left.
pub(super) fn stable(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(stable_name).collect();
    parts.join("/")
}

fn stable_name(name: &str) -> String {
    let digits = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = |s: &'_ str, letter: char| -> Option<usize> {
        let rest = s.strip_prefix(letter)?;
        Some(1 + digits(rest)).filter(|n| *n > 1)
    };
    let made = || -> Option<String> {
        let at = digits(name);
        let rest = name.get(at..)?.strip_prefix('.').filter(|_| at > 8)?;
        let rest = &rest[number(rest, 'M')?..];
        let rest = &rest[number(rest, 'P')?..];
        let tag = rest.strip_prefix('_').unwrap_or_default();
        let tag = tag.split(['.', '_']).next().unwrap_or_default();
        let tag = if tag.is_empty() || digits(tag) > 0 { String::new() } else { format!("_{tag}") };
        let folder = rest.rsplit_once('_').map_or("", |(_, end)| end);
        let folder = match folder {
            "folder" | "deleted" => format!("_{folder}"),
            _ => tag,
        };
        let flags = rest.split_once(':').map_or(String::new(), |(_, end)| format!(":{end}"));
        Some(format!("NEW{folder}{flags}"))
    };
    // Keywords of a period of five minutes: `.<N>.<name>`.
    if let Some(rest) = name.strip_prefix('.').filter(|rest| digits(rest) > 5) {
        return format!(".N.{}", stable_name(&rest[digits(rest) + 1..]));
    }
    if let Some(rest) = name.strip_prefix('.') {
        return format!(".{}", stable_name(rest));
    }
    made().unwrap_or_else(|| name.to_owned())
}
