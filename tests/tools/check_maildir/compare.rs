//! Both servers are asked for everything that a folder holds, and their answers compared.

use crate::Report;
use crate::known::{self, Difference, Message};
use crate::options::Options;
use crate::progress::Progress;
use crate::server::{Answer, Items, Server, Setting, Value};
use crate::views;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Header fields that clients ask for.
const FIELDS: &str = "BODY.PEEK[HEADER.FIELDS (FROM TO CC BCC SUBJECT DATE MESSAGE-ID REFERENCES \
     IN-REPLY-TO CONTENT-TYPE LIST-ID RECEIVED)]";
/// Messages whose structures are asked for at once, and bytes of bodies.
const BATCH: u64 = 500;
const BYTES: u64 = 8 << 20;

/// The two sessions, asked the same things.
struct Pair {
    courier: Server,
    ours: Server,
}

impl Pair {
    fn ask(&mut self, command: &[u8]) -> Result<(Answer, Answer), String> {
        self.courier.send(command)?;
        self.ours.send(command)?;
        Ok((self.courier.answer()?, self.ours.answer()?))
    }
}

pub fn compare(o: &Options, home: &Path, report: &mut Report) -> Result<(), String> {
    let owner = fs::metadata(&o.maildir).map_err(|e| e.to_string())?;
    let me = fs::metadata("/proc/self").map_err(|e| e.to_string())?.uid();
    let mut env: Vec<(String, String)> = Vec::new();
    let user = if o.user.is_empty() { "check".to_owned() } else { o.user.clone() };
    for (name, value) in [
        ("AUTHENTICATED", user.as_str()),
        ("IMAP_KEYWORDS", "1"),
        ("IMAP_ACL", "1"),
        ("IMAP_FSYNC", "0"),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    // Nothing on the wire that Courier would not say.
    env.push(("IMAP_EXTENSIONS".to_owned(), "0".to_owned()));
    env.extend(o.env.iter().cloned());
    let setting =
        Setting { ids: (me == 0 && owner.uid() != 0).then(|| (owner.uid(), owner.gid())), env };
    let mut pair = Pair {
        courier: Server::start("Courier's imapd", &o.courier, &home.join("courier"), &setting)?,
        ours: Server::start("our imapd", &home.join("imapd"), &home.join("ours"), &setting)?,
    };
    let (c, p) = pair.ask(b"LIST \"\" \"*\"")?;
    let sorted = |a: &Answer| a.lines.iter().cloned().collect::<BTreeSet<_>>();
    let (c, p) = (sorted(&c), sorted(&p));
    for (who, line) in
        c.difference(&p).map(|l| ("Courier", l)).chain(p.difference(&c).map(|l| ("ours", l)))
    {
        report.find(format!("LIST, only {who}: {}", line.escape_ascii()));
    }
    let folders: Vec<Vec<u8>> = p
        .intersection(&c)
        .filter(|l| !l.windows(9).any(|w| w == b"\\Noselect"))
        .filter_map(|l| name_of(l))
        .collect();
    for (n, folder) in folders.iter().enumerate() {
        let what = format!("{} ({}/{})", folder.escape_ascii(), n + 1, folders.len());
        compare_folder(&mut pair, folder, &what, home, report)?;
    }
    let Pair { courier, ours } = pair;
    courier.finish()?;
    let log = ours.finish()?;
    for line in
        log.split(|&b| b == b'\n').filter(|l| l.starts_with(b"ERR") || l.starts_with(b"CRIT"))
    {
        report.find(format!("the log of our imapd: {}", line.escape_ascii()));
    }
    views::compare_disk(home, report)
}

/// The name at the end of a LIST line, as it can be sent back.
fn name_of(line: &[u8]) -> Option<Vec<u8>> {
    let at = line.windows(5).position(|w| w == b" \".\" ")?;
    line.get(at + 5..).map(<[u8]>::to_vec)
}

/// The directory of a folder below the Maildir; only for names that are plain text.
fn directory(folder: &[u8]) -> Option<PathBuf> {
    let name = String::from_utf8(folder.to_vec()).ok()?;
    let name = name.trim_matches('"');
    let rest = name.strip_prefix("INBOX")?;
    Some(PathBuf::from(if rest.is_empty() { "." } else { rest }))
}

fn compare_folder(
    pair: &mut Pair,
    folder: &[u8],
    what: &str,
    home: &Path,
    report: &mut Report,
) -> Result<(), String> {
    report.folders += 1;
    let dir = directory(folder);
    let had_uids = dir
        .as_ref()
        .is_some_and(|d| home.join("ours/Maildir").join(d).join("courierimapuiddb").exists());
    let (c, p) =
        pair.ask(&[b"STATUS ".as_slice(), folder, b" (MESSAGES RECENT UNSEEN)"].concat())?;
    if (&c.lines, &c.end) != (&p.lines, &p.end) {
        report.find(format!("{what}: STATUS: Courier {}, ours {}", shown(&c), shown(&p)));
    }
    let (c, p) = pair.ask(&[b"SELECT ".as_slice(), folder].concat())?;
    // A folder that never had a UIDVALIDITY gets one now, from the clock.
    let without = |a: &Answer| {
        a.lines
            .iter()
            .filter(|l| had_uids || !l.starts_with(b"* OK [UIDVALIDITY"))
            .map(|l| in_any_order(l))
            .collect::<BTreeSet<_>>()
    };
    if (without(&c), &c.end) != (without(&p), &p.end) {
        report.find(format!("{what}: SELECT: Courier {}, ours {}", shown(&c), shown(&p)));
    }
    if !c.ok() || !p.ok() {
        return Ok(());
    }
    let exists = |a: &Answer| {
        a.lines.iter().find_map(|l| {
            std::str::from_utf8(l.strip_prefix(b"* ")?.strip_suffix(b" EXISTS")?).ok()?.parse().ok()
        })
    };
    let (Some(count), Some(other)) = (exists(&c), exists(&p)) else {
        return Err(format!("{what}: no EXISTS"));
    };
    let files = dir.map(|d| Files::read(&home.join("ours/Maildir").join(d))).unwrap_or_default();
    let mut progress = Progress::new(what, count);
    let mut first = 1;
    while first <= count.min(other) {
        let last = count.min(other).min(first + BATCH - 1);
        let (c, p) = pair
            .ask(format!("FETCH {first}:{last} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)").as_bytes())?;
        compare_answers(what, &c, &p, &files, report);
        let size = |n: u64| p.fetched.get(&n).and_then(|i| i.get("RFC822.SIZE")).map_or(0, number);
        let mut from = first;
        while from <= last {
            let (mut to, mut bytes) = (from, size(from));
            while to < last && bytes + size(to + 1) <= BYTES {
                to += 1;
                bytes += size(to);
            }
            let bodies = format!(
                "FETCH {from}:{to} (UID BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] {FIELDS})"
            );
            let (c, p) = pair.ask(bodies.as_bytes())?;
            compare_answers(what, &c, &p, &files, report);
            report.bytes += bytes;
            progress.tell(to, report);
            from = to + 1;
        }
        for n in first..=last {
            let mut parts = Vec::new();
            if let Some(structure) = p.fetched.get(&n).and_then(|i| i.get("BODY")) {
                leaves(structure, "", &mut parts);
            }
            // Part 1 of a simple message has been compared.
            if parts.len() > 1 {
                let sections: String = parts
                    .iter()
                    .take(100)
                    .map(|s| format!(" BODY.PEEK[{s}] BODY.PEEK[{s}.MIME]"))
                    .collect();
                let (c, p) = pair.ask(format!("FETCH {n} (UID{sections})").as_bytes())?;
                compare_answers(what, &c, &p, &files, report);
            }
        }
        report.messages += last + 1 - first;
        first = last + 1;
    }
    progress.end();
    for command in [&b"UID SEARCH UNSEEN"[..], b"UID SEARCH FLAGGED"] {
        let (c, p) = pair.ask(command)?;
        if (&c.lines, &c.end) != (&p.lines, &p.end) {
            report.find(format!(
                "{what}: {}: Courier {}, ours {}",
                command.escape_ascii(),
                shown(&c),
                shown(&p)
            ));
        }
    }
    Ok(())
}

/// A line whose words in parentheses are sorted if they are flags: keywords come in no order.
fn in_any_order(line: &[u8]) -> Vec<u8> {
    let is_list = line.starts_with(b"* FLAGS (") || line.starts_with(b"* OK [PERMANENTFLAGS (");
    let parts: Vec<&[u8]> = line.splitn(2, |b| *b == b'(').collect();
    let ([before, rest], true) = (&*parts, is_list) else { return line.to_vec() };
    let end = rest.iter().position(|b| *b == b')').unwrap_or(rest.len());
    let (flags, behind) = rest.split_at(end);
    let mut words: Vec<&[u8]> = flags.split(|b| *b == b' ').collect();
    words.sort_unstable();
    [before, &b"("[..], &words.join(&b' '), behind].concat()
}

/// The part numbers of all leaves: `1`, `2.1`, ...
fn leaves(structure: &Value, number: &str, out: &mut Vec<String>) {
    let Value::List(list) = structure else { return };
    let numbered =
        |n: usize| if number.is_empty() { format!("{n}") } else { format!("{number}.{n}") };
    if matches!(list.first(), Some(Value::List(_))) {
        for (n, part) in list.iter().take_while(|v| matches!(v, Value::List(_))).enumerate() {
            let name = numbered(n + 1);
            match part {
                Value::List(inner) if matches!(inner.first(), Some(Value::List(_))) => {
                    leaves(part, &name, out)
                }
                _ => out.push(name),
            }
        }
    } else {
        out.push(numbered(1));
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Atom(a) => std::str::from_utf8(a).ok().and_then(|t| t.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

fn shown(a: &Answer) -> String {
    let text: Vec<String> =
        a.lines.iter().chain([&a.end]).map(|l| l.escape_ascii().to_string()).collect();
    text.join(" | ").chars().take(400).collect()
}

/// The files of a folder by UID.
#[derive(Default)]
struct Files {
    by_uid: HashMap<u64, PathBuf>,
}

impl Files {
    fn read(dir: &Path) -> Self {
        let mut paths: HashMap<Vec<u8>, PathBuf> = HashMap::new();
        for sub in ["cur", "new"] {
            for entry in fs::read_dir(dir.join(sub)).into_iter().flatten().flatten() {
                let name = entry.file_name().into_encoded_bytes();
                let unique = name.split(|&b| b == b':').next().unwrap_or_default().to_vec();
                paths.insert(unique, entry.path());
            }
        }
        let database = fs::read(dir.join("courierimapuiddb")).unwrap_or_default();
        let line = |l: &[u8]| {
            let blank = l.iter().position(|&b| b == b' ')?;
            let uid = std::str::from_utf8(&l[..blank]).ok()?.parse().ok()?;
            let name = &l[blank + 1..];
            let unique = name.split(|&b| b == b':').next()?;
            Some((uid, paths.get(unique)?.clone()))
        };
        Self { by_uid: database.split(|&b| b == b'\n').skip(1).filter_map(line).collect() }
    }
}

fn compare_answers(what: &str, c: &Answer, p: &Answer, files: &Files, report: &mut Report) {
    if (&c.lines, &c.end) != (&p.lines, &p.end) {
        report.find(format!("{what}: FETCH: Courier {}, ours {}", shown(c), shown(p)));
    }
    let nothing = Items::new();
    for n in c.fetched.keys().chain(p.fetched.keys()).collect::<BTreeSet<_>>() {
        let (c, p) = (c.fetched.get(n).unwrap_or(&nothing), p.fetched.get(n).unwrap_or(&nothing));
        for item in c.keys().chain(p.keys()).collect::<BTreeSet<_>>() {
            report.values += 1;
            let (c, o) = (c.get(item).unwrap_or(&Value::Nil), p.get(item).unwrap_or(&Value::Nil));
            if c != o {
                let uid = p.get("UID").map_or(0, number);
                classify(&format!("{what}: UID {uid}"), item, c, o, files.by_uid.get(&uid), report);
            }
        }
    }
}

fn classify(
    what: &str,
    item: &str,
    c: &Value,
    o: &Value,
    path: Option<&PathBuf>,
    report: &mut Report,
) {
    let raw = path.and_then(|p| fs::read(p).ok()).unwrap_or_default();
    let name =
        path.and_then(|p| p.file_name()).map(|n| n.as_encoded_bytes().to_vec()).unwrap_or_default();
    let message = Message { raw: &raw, name: &name };
    let (mut rows, mut unknown) = (BTreeSet::new(), Vec::new());
    // Where lists differ in length, the lists themselves are the difference.
    known::walk(item, c, o, &mut |d: Difference<'_>| match known::row(&d, &message) {
        Some(row) => drop(rows.insert(row)),
        None => unknown.push(neighbourhood(d.courier, d.ours)),
    });
    if unknown.is_empty() {
        for row in rows {
            *report.rows.entry(row).or_default() += 1;
        }
    } else {
        let file = name.escape_ascii();
        report.find(format!("{what} ({file}): {item}\n{}", unknown.join("\n")));
    }
}

/// Both values around their first difference.
fn neighbourhood(c: &Value, o: &Value) -> String {
    let (c, o) = (format!("{c:?}"), format!("{o:?}"));
    let same = c.chars().zip(o.chars()).take_while(|(a, b)| a == b).count();
    let from = if c.len().max(o.len()) < 300 { 0 } else { same.saturating_sub(80) };
    let cut = |s: &str| s.chars().skip(from).take(300).collect::<String>();
    let dots = if from > 0 { "..." } else { "" };
    format!("    Courier: {dots}{}\n    ours:    {dots}{}", cut(&c), cut(&o))
}
