//! Makes a realistic Maildir for trying out and for measuring: threads, attachments, character
//! sets, HTML alternatives, attached messages, flags. Deterministic: the same seed gives the same
//! bytes and file names. Called by `scripts/gen-maildir`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use lexopt::prelude::*;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use support::Random;

const WORDS: &[&str] = &[
    "the", "a", "to", "and", "of", "in", "that", "we", "for", "it", "on", "with", "this", "be",
    "is", "are", "have", "will", "from", "meeting", "project", "report", "schedule", "question",
    "budget", "release", "server", "mail", "please", "thanks", "tomorrow", "attached", "document",
    "version", "update", "review", "customer", "order", "number", "please", "deadline", "summer",
    "garden", "train", "ticket", "hotel", "coffee", "station", "library", "music", "river",
    "mountain", "winter", "window", "paper", "letter",
];
const FOREIGN: &[&str] = &[
    "Grüße",
    "naïve",
    "café",
    "señor",
    "Zürich",
    "façade",
    "übermorgen",
    "Ελλάδα",
    "привет",
    "日本語",
    "Łódź",
    "smörgåsbord",
];
const SUBJECTS: &[&str] = &[
    "Weekly report",
    "Lunch on Friday?",
    "Your order has shipped",
    "Meeting notes",
    "Holiday pictures",
    "Invoice",
    "Server maintenance",
    "Question about the budget",
    "Release plan",
    "New phone number",
    "Garden party",
    "Train tickets",
    "Minutes of the board",
    "Grüße aus München",
    "Réunion de lundi",
    "Приветствие",
    "ご確認ください",
    "Übersicht der Kosten",
];
const PEOPLE: &[(&str, &str)] = &[
    ("Alice Example", "alice@example.com"),
    ("Bob Builder", "bob@example.org"),
    ("Carol Danvers", "carol@example.net"),
    ("Dave Lister", "dave@example.com"),
    ("Eve Online", "eve@example.org"),
    ("Frank Ocean", "frank@example.net"),
    ("Grace Hopper", "grace@example.com"),
    ("Heidi Klum", "heidi@example.org"),
    ("Jörg Müller", "joerg@example.de"),
    ("Søren Kierkegaard", "soren@example.dk"),
    ("Наталья Иванова", "natalia@example.ru"),
    ("山田太郎", "taro@example.jp"),
    ("", "noreply@shop.example"),
    ("Mailing List", "list@lists.example"),
    ("Ms. \"Q\" Quoted", "q@example.com"),
];
const MONTHS: &[&str] =
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: &[&str] = &["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const USAGE: &str = "usage: gen-maildir [N] [DIR] [--folders K] [--seed S] [--new PERCENT]";

/// What to make.
struct Plan {
    count: usize,
    dir: PathBuf,
    folders: usize,
    seed: u64,
    /// How many in a hundred of the inbox's messages lie in `new`.
    new: usize,
}

fn plan() -> Result<Plan, lexopt::Error> {
    let dir = PathBuf::from("Maildir-sample");
    let mut plan = Plan { count: 1000, dir, folders: 4, seed: 1, new: 2 };
    let mut plain = 0;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("folders") => plan.folders = parser.value()?.parse()?,
            Long("seed") => plan.seed = parser.value()?.parse()?,
            Long("new") => plan.new = parser.value()?.parse()?,
            Value(count) if plain == 0 => (plan.count, plain) = (count.parse()?, 1),
            Value(dir) if plain == 1 => (plan.dir, plain) = (dir.into(), 2),
            _ => return Err(argument.unexpected()),
        }
    }
    if plan.new > 100 {
        return Err("--new is a percentage".into());
    }
    Ok(plan)
}

fn main() {
    let plan = plan().unwrap_or_else(|error| {
        eprintln!("gen-maildir: {error}\n{USAGE}");
        std::process::exit(2)
    });
    let Plan { count, dir, folders, seed, new } = plan;
    if dir.exists() {
        eprintln!("gen-maildir: {} is there already", dir.display());
        std::process::exit(1);
    }
    // Half of the mail lies in the inbox, the rest in the folders.
    let names =
        ["", ".Sent", ".Archive", ".Archive.2023", ".Lists.rust", ".Trash", ".Drafts", ".Grüße"];
    let used = names.len().min(folders + 1);
    for name in &names[..used] {
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir_all(dir.join(name).join(sub)).unwrap();
        }
        if !name.is_empty() {
            fs::write(dir.join(name).join("maildirfolder"), b"").unwrap();
        }
    }
    let subscribed = names[..used]
        .iter()
        .map(|n| if n.is_empty() { "INBOX\n".to_owned() } else { format!("INBOX{n}\n") });
    fs::write(dir.join("courierimapsubscribed"), subscribed.collect::<String>()).unwrap();

    let mut random = Random(seed);
    let mut threads: Vec<(String, String)> = Vec::new();
    let mut text = String::new();
    let mut bytes = 0;
    for n in 0..count {
        let time =
            1_577_836_800 + n as u64 * 150_000_000 / count.max(1) as u64 + random.number() % 600;
        message(&mut random, n, time, &mut threads, &mut text);
        let folder =
            if used == 1 || random.percent(50) { "" } else { names[1 + random.below(used - 1)] };
        let unique = format!(
            "{time}.M{}P{}V000000000000FE00I{n:016X}_0.sample,S={}",
            random.below(1_000_000),
            1000 + random.below(30_000),
            text.len()
        );
        let path = if folder.is_empty() && random.percent(new) {
            dir.join("new").join(unique)
        } else {
            let mut flags = String::new();
            for (letter, chance) in [('D', 1), ('F', 5), ('R', 20), ('S', 80), ('T', 1)] {
                if random.percent(chance) {
                    flags.push(letter);
                }
            }
            dir.join(folder).join("cur").join(format!("{unique}:2,{flags}"))
        };
        fs::write(&path, &text).unwrap();
        fs::File::open(&path)
            .unwrap()
            .set_modified(UNIX_EPOCH + Duration::from_secs(time))
            .unwrap();
        bytes += text.len();
    }
    println!("{}: {count} messages, {} MB, {} folders", dir.display(), bytes / 1_000_000, used);
}

/// One message, with LF line ends.
fn message(
    random: &mut Random,
    n: usize,
    time: u64,
    threads: &mut Vec<(String, String)>,
    out: &mut String,
) {
    out.clear();
    let id = format!("<{n}.{:x}@sample.example>", random.number() & 0xffff_ffff);
    let from = PEOPLE[random.below(PEOPLE.len())];
    let _ = writeln!(out, "Return-Path: <{}>", from.1);
    let _ = writeln!(
        out,
        "Received: from mx.example.org (mx.example.org [192.0.2.{}])\n\tby mail.example.com with ESMTP id {n:08X};\n\t{}",
        n % 250,
        date(time)
    );
    let _ = writeln!(out, "Date: {}", date(time));
    let _ = writeln!(out, "From: {}", address(random, from));
    let mut receivers = Vec::new();
    for _ in 0..1 + random.below(4) {
        let person = PEOPLE[random.below(PEOPLE.len())];
        receivers.push(address(random, person));
    }
    let _ = writeln!(out, "To: {}", receivers.join(",\n "));
    if random.percent(15) {
        let copy = PEOPLE[random.below(PEOPLE.len())];
        let _ = writeln!(out, "Cc: {}", address(random, copy));
    }
    let _ = writeln!(out, "Message-ID: {id}");
    if !threads.is_empty() && random.percent(45) {
        let at = threads.len() - 1 - random.below(threads.len().min(200));
        let (references, subject) = threads[at].clone();
        let last = references.rsplit(' ').next().unwrap_or_default().to_owned();
        let _ =
            writeln!(out, "In-Reply-To: {last}\nReferences: {}", references.replace(' ', "\n\t"));
        let _ = writeln!(out, "Subject: {}", encoded(random, &format!("Re: {subject}")));
        let kept: Vec<&str> = references.split(' ').rev().take(8).collect();
        let kept: Vec<&str> = kept.into_iter().rev().collect();
        threads[at] = (format!("{} {id}", kept.join(" ")), subject);
    } else {
        let subject = format!("{} {}", SUBJECTS[random.below(SUBJECTS.len())], random.of(WORDS));
        let _ = writeln!(out, "Subject: {}", encoded(random, &subject));
        threads.push((id, subject));
    }
    if random.percent(20) {
        let _ = writeln!(
            out,
            "List-Id: <list.lists.example>\nList-Unsubscribe: <mailto:leave@lists.example>\nX-Mailer: Sample/1.0"
        );
    }
    let lines = 3 + random.below(25) * if random.percent(5) { 20 } else { 1 };
    match random.below(100) {
        0..=29 => {
            out.push('\n');
            prose(random, lines, false, out);
        }
        30..=49 => {
            out.push_str("MIME-Version: 1.0\n");
            text_part(random, "plain", lines, out);
        }
        50..=79 => {
            let _ = writeln!(
                out,
                "MIME-Version: 1.0\nContent-Type: multipart/alternative;\n boundary=\"alt_{n}\"\n"
            );
            alternative(random, n, lines, out);
        }
        80..=95 => {
            let _ = writeln!(
                out,
                "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"mixed_{n}\"\n\nThis is a message in several parts."
            );
            let _ = writeln!(
                out,
                "--mixed_{n}\nContent-Type: multipart/alternative; boundary=\"alt_{n}\"\n"
            );
            alternative(random, n, lines, out);
            for k in 0..1 + random.below(3) {
                let _ = writeln!(out, "--mixed_{n}");
                attachment(random, k, out);
            }
            let _ = writeln!(out, "--mixed_{n}--");
        }
        96..=97 => {
            let _ = writeln!(
                out,
                "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"fwd_{n}\"\n\n--fwd_{n}\n\nsee below\n--fwd_{n}"
            );
            let _ = writeln!(
                out,
                "Content-Type: message/rfc822\nContent-Disposition: inline\n\nFrom: {}\nSubject: forwarded\nDate: {}\nMIME-Version: 1.0",
                PEOPLE[0].1,
                date(time - 9000)
            );
            text_part(random, "plain", lines, out);
            let _ = writeln!(out, "--fwd_{n}--");
        }
        _ => {
            let _ = writeln!(
                out,
                "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"r_{n}\"\n\n--r_{n}\n\nNot delivered.\n--r_{n}"
            );
            let _ = writeln!(
                out,
                "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; gone@example.org\nStatus: 5.1.1\n\n--r_{n}--"
            );
        }
    }
}

fn alternative(random: &mut Random, n: usize, lines: usize, out: &mut String) {
    let _ = writeln!(out, "--alt_{n}");
    text_part(random, "plain", lines, out);
    let _ = writeln!(out, "--alt_{n}");
    text_part(random, "html", lines, out);
    let _ = writeln!(out, "--alt_{n}--\n");
}

/// The fields of a text part and its body.
fn text_part(random: &mut Random, subtype: &str, lines: usize, out: &mut String) {
    let mut body = String::new();
    if subtype == "html" {
        body.push_str("<html><body>\n");
    }
    let foreign = random.percent(40);
    prose(random, lines, foreign, &mut body);
    if subtype == "html" {
        body = body.replace("\n\n", "<br>\n");
        body.push_str("</body></html>\n");
    }
    let charset = if foreign { "utf-8" } else { random.of(&["us-ascii", "utf-8", "iso-8859-1"]) };
    let _ =
        write!(out, "Content-Type: text/{subtype}; charset={charset}\nContent-Transfer-Encoding: ");
    match random.below(if foreign { 3 } else { 4 }) {
        0 => {
            out.push_str("quoted-printable\n\n");
            quoted_printable(body.as_bytes(), out);
        }
        1 => {
            out.push_str("base64\n\n");
            base64(body.as_bytes(), out);
        }
        2 => {
            out.push_str("8bit\n\n");
            out.push_str(&body);
        }
        _ => {
            out.push_str("7bit\n\n");
            out.push_str(&body);
        }
    }
}

fn attachment(random: &mut Random, k: usize, out: &mut String) {
    let (kind, ending) = [
        ("application/pdf", "pdf"),
        ("image/jpeg", "jpg"),
        ("application/zip", "zip"),
        ("text/csv", "csv"),
    ][random.below(4)];
    let _ = writeln!(
        out,
        "Content-Type: {kind}; name=\"file{k}.{ending}\"\nContent-Disposition: attachment;\n filename=\"file{k}.{ending}\"\nContent-Transfer-Encoding: base64\n"
    );
    // Most attachments are small, a few are large.
    let size = 500 + random.below(20_000) * if random.percent(3) { 20 } else { 1 };
    let data: Vec<u8> = (0..size / 8).flat_map(|_| random.number().to_le_bytes()).collect();
    base64(&data, out);
}

fn prose(random: &mut Random, lines: usize, foreign: bool, out: &mut String) {
    for n in 0..lines {
        let mut length = 0;
        while length < 60 {
            let word =
                if foreign && random.percent(8) { random.of(FOREIGN) } else { random.of(WORDS) };
            if length > 0 {
                out.push(' ');
            }
            out.push_str(word);
            length += word.len() + 1;
        }
        out.push_str(if n % 7 == 6 { ".\n\n" } else { "\n" });
    }
}

fn address(random: &mut Random, (name, mail): (&str, &str)) -> String {
    match name {
        "" => mail.to_owned(),
        _ if !name.is_ascii() => format!("{} <{mail}>", encoded(random, name)),
        _ if name.contains(['"', '.']) => format!("\"{}\" <{mail}>", name.replace('"', "\\\"")),
        _ => format!("{name} <{mail}>"),
    }
}

/// An unstructured field: RFC 2047 words where the text is not ASCII.
fn encoded(random: &mut Random, text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let characters: Vec<char> = text.chars().collect();
    for piece in characters.chunks(14) {
        let piece: String = piece.iter().collect();
        let mut word = String::new();
        if random.percent(50) {
            base64(piece.as_bytes(), &mut word);
            words.push(format!("=?utf-8?B?{}?=", word.trim_end()));
        } else {
            for b in piece.bytes() {
                match b {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => word.push(b as char),
                    b' ' => word.push('_'),
                    _ => drop(write!(word, "={b:02X}")),
                }
            }
            words.push(format!("=?utf-8?Q?{word}?="));
        }
    }
    words.join("\n ")
}

fn quoted_printable(bytes: &[u8], out: &mut String) {
    let mut column = 0;
    for (n, &b) in bytes.iter().enumerate() {
        if b == b'\n' {
            out.push('\n');
            column = 0;
            continue;
        }
        if column > 70 {
            out.push_str("=\n");
            column = 0;
        }
        let ends = bytes.get(n + 1) == Some(&b'\n');
        if (b.is_ascii_graphic() && b != b'=') || (b == b' ' && !ends) {
            out.push(b as char);
            column += 1;
        } else {
            let _ = write!(out, "={b:02X}");
            column += 3;
        }
    }
    out.push('\n');
}

fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for line in bytes.chunks(57) {
        for group in line.chunks(3) {
            let value = u32::from(group[0]) << 16
                | u32::from(*group.get(1).unwrap_or(&0)) << 8
                | u32::from(*group.get(2).unwrap_or(&0));
            for k in 0..4 {
                out.push(if k <= group.len() {
                    DIGITS[(value >> (18 - 6 * k)) as usize & 63] as char
                } else {
                    '='
                });
            }
        }
        out.push('\n');
    }
}

/// RFC 5322's date of a Unix time.
fn date(time: u64) -> String {
    let days = time / 86_400;
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, min, s) = (time / 3600 % 24, time / 60 % 60, time % 60);
    format!(
        "{}, {day} {} {year} {h:02}:{min:02}:{s:02} +0000",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize - 1]
    )
}
