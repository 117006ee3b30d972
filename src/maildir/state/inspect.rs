//! A state in words, and what is wrong with it: for `scripts/show-index`, and for tests that ask
//! whether a state is sound. It reads with the functions by which sessions read.

use super::format::{HEADER, Header, MAGIC, Summary};
use super::journal::{Event, Records, Told};
use super::{Image, NAME, is_in_time, stamps_now};
use crate::maildir::Entered;
use crate::maildir::dir::MAX_CONTROL_FILE;
use crate::sys::stat::Stat;
use crate::sys::user;
use crate::types::Flags;
use std::fmt::Write;
use std::io;

/// What was found out about a file of the index.
#[derive(Default)]
pub(crate) struct Findings {
    /// What is in it, for people.
    pub(crate) text: String,
    /// What a session finds wrong with it.
    pub(crate) faults: Vec<String>,
    /// What is in order, and makes the next session do more.
    pub(crate) notes: Vec<String>,
}

impl Findings {
    pub(in crate::maildir) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }
}

/// Reads the state of a folder; the image, if sessions believe it.
pub(in crate::maildir) fn inspect(dir: &Entered, out: &mut Findings) -> Option<Image> {
    let read = dir.folder().read_control_file(NAME, MAX_CONTROL_FILE);
    let (data, stat) = match read {
        Ok((data, _, stat)) => (data, stat),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            out.notes.push("there is no state".to_owned());
            return None;
        }
        Err(e) => {
            out.faults.push(format!("the state cannot be read: {e}"));
            return None;
        }
    };
    out.line(format!("state: {} bytes, mode {:o}", data.len(), stat.mode()));
    let Some(header) = Header::read(&data) else {
        let is_other = data.get(..7) == MAGIC.get(..7) && data.get(7) != MAGIC.get(7);
        let what = if is_other { "is of another version" } else { "is damaged" };
        out.faults.push(format!("the header of the state {what}"));
        return None;
    };
    show_header(&header, out);
    sections(&header, &data, out);
    let image = super::read::decode(&data, &stat);
    let Some(image) = image else {
        out.faults.push("the state makes no sense".to_owned());
        return None;
    };
    compare(image.tail.header, &stat, dir, out);
    show_tables(&image, out);
    show_messages(&image, out);
    show_journal(&data, header.base_length(), out);
    if image.tail.end != data.len() as u64 {
        let rest = (data.len() as u64).saturating_sub(image.tail.end);
        out.faults.push(format!("the last {rest} bytes of the state are no record"));
    }
    if !is_in_time(stat.ctime_nanos(), image.tail.summary.written) && dir.folder().is_local() {
        out.notes.push("the state was changed after its last record: a backup?".to_owned());
    }
    // Only with a proof does anybody believe the counts.
    if !image.tail.proof.holds(stamps_now(dir), true) {
        let changed = image.tail.proof.changed(stamps_now(dir));
        out.notes.push(format!("not proven, the next session reads the folder: {changed}"));
    } else if image.tail.summary.counted(&image.messages) != image.tail.summary {
        out.faults.push("the counts of the state are not those of its messages".to_owned());
    }
    Some(image)
}

fn show_header(header: &Header, out: &mut Findings) {
    let Header { validity, inode, boot, facts, summary, .. } = header;
    out.line(format!("  UIDVALIDITY {validity}, inode {inode}, boot {}", hex(boot)));
    out.line(format!("  generation of the facts: {facts}"));
    out.line(format!("  {}", shown_summary(summary)));
    let [tables, numbers, names, details] =
        [header.tables, header.numbers, header.names, header.details].map(|s| s.length);
    out.line(format!(
        "  sections: tables {tables}, numbers {numbers}, names {names}, details {details} bytes"
    ));
    out.line(format!("  proof: {}", header.proof.show()));
}

fn sections(header: &Header, data: &[u8], out: &mut Findings) {
    let mut rest = data.get(HEADER..).unwrap_or_default();
    let named = [
        ("tables", header.tables),
        ("numbers", header.numbers),
        ("names", header.names),
        ("details", header.details),
    ];
    for (name, section) in named {
        let length = usize::try_from(section.length).unwrap_or(usize::MAX);
        let Some((bytes, behind)) = rest.split_at_checked(length) else {
            out.faults.push(format!("the state ends in its {name}"));
            return;
        };
        if !section.is(bytes) {
            out.faults.push(format!("the {name} of the state are damaged"));
        }
        rest = behind;
    }
}

/// Is it the file that was written, since this machine was started?
/// `origin`: of the last run.
fn compare(origin: (u64, [u8; 16]), stat: &Stat, dir: &Entered, out: &mut Findings) {
    if origin.0 != stat.inode().1 {
        out.notes.push("the state is a copy: the next change begins a new run".to_owned());
    }
    if dir.folder().is_local() && user::boot_id() != Some(origin.1) {
        out.notes.push("another boot: the next change begins a new run".to_owned());
    }
}

fn show_tables(image: &Image, out: &mut Findings) {
    for (first, last) in image.runs.iter() {
        out.line(format!("  run {first} to {last}"));
    }
    for (first, last, value) in image.expunged.iter() {
        out.line(format!("  expunged {first}:{last} at {value}"));
    }
    for name in image.keywords.names() {
        out.line(format!("  keyword {}", text(name)));
    }
}

fn show_messages(image: &Image, out: &mut Findings) {
    let messages = &image.messages;
    for i in 0..messages.len() {
        let uid = messages.uid(i).map_or(0, |uid| uid.get());
        let mut line = format!(
            "  {uid} {} {}",
            image.values.get(i).copied().unwrap_or_default(),
            text(&messages.file_name(i))
        );
        for name in image.keywords.names_of(messages.keywords(i)) {
            let _ = write!(line, " {}", text(name));
        }
        if let Some(detail) = image.details.get(uid) {
            let _ = write!(line, " {detail:?}");
        }
        out.line(line);
    }
}

fn show_journal(data: &[u8], base: Option<u64>, out: &mut Findings) {
    let Some(mut at) = base.and_then(|base| usize::try_from(base).ok()) else { return };
    let Some(seed) = Header::seed(data) else { return };
    for (items, _, length) in Records::new(data.get(at..).unwrap_or_default(), seed) {
        out.line(format!("  record at {at}, {length} bytes"));
        let _ = super::journal::each(items, |event| {
            out.line(format!("    {}", shown_event(&event)));
            Some(())
        });
        at = at.saturating_add(length);
    }
}

fn shown_event(event: &Event<'_>) -> String {
    match event {
        Event::Message(base, told) => format!("message {} {}", text(base), shown_told(told)),
        Event::Change(told) => format!("change {}", shown_told(told)),
        Event::Expunge(first, last, value) => format!("expunge {first}:{last} at {value}"),
        Event::Detail(uid, detail) => format!("detail {uid} {detail:?}"),
        Event::Proof(proof) => format!("proof {}", proof.show()),
        Event::Run(first, _) => format!("run from {first}"),
        Event::Facts(generation) => format!("facts {}", generation.unwrap_or(0)),
        Event::Summary(summary) => shown_summary(summary),
    }
}

fn shown_told(told: &Told<'_>) -> String {
    let mut letters = Vec::new();
    Flags::push_letters(told.flags, &mut letters);
    let keywords = told.keywords.map(|names| names.list());
    let keywords = keywords.map_or("as they were".to_owned(), |names| {
        names.iter().map(|name| text(name)).collect::<Vec<_>>().join(" ")
    });
    format!(
        "{} at {}, flags {}, keywords {keywords}{}",
        told.uid,
        told.value,
        text(&letters),
        told.odd.map_or_else(String::new, |odd| format!(", file {}", text(odd)))
    )
}

fn shown_summary(summary: &Summary) -> String {
    let Summary { next, highest, messages, unseen, deleted, written } = summary;
    format!(
        "next UID {next}, highest value {highest}, {messages} messages, {unseen} unseen, {deleted} \
         deleted, written at {}.{:06}",
        written.div_euclid(1_000_000),
        written.rem_euclid(1_000_000)
    )
}

/// Bytes as people read them.
fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
