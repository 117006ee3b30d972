//! What a server says, as far as a client listens that keeps a folder in step (RFC 7162).

use std::collections::BTreeSet;
use support::find;

/// The flags and keywords of a message, without `\Recent`: that is the session's.
pub type Flags = BTreeSet<String>;

/// A set of UIDs or numbers, as ranges in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(pub Vec<(u32, u32)>);

impl Set {
    pub fn read(text: &str) -> Option<Set> {
        let range = |word: &str| {
            let (from, to) = word.split_once(':').unwrap_or((word, word));
            let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
            Some((from.min(to), from.max(to)))
        };
        text.split(',').map(range).collect::<Option<Vec<_>>>().map(Set)
    }

    /// The shortest form of a set of numbers.
    pub fn of(numbers: impl Iterator<Item = u32>) -> Set {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for n in numbers {
            match ranges.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(n) => last.1 = n,
                _ => ranges.push((n, n)),
            }
        }
        Set(ranges)
    }

    pub fn has(&self, n: u32) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&n))
    }

    /// Whether every number is in another set.
    pub fn is_within(&self, other: &Set) -> bool {
        // Range by range: where the next UID has jumped, four thousand million are gone.
        let holds = |n: u64| {
            let mut ranges = other.0.iter().map(|(from, to)| u64::from(*from)..=u64::from(*to));
            ranges.find(|range| range.contains(&n))
        };
        self.0.iter().all(|(from, to)| {
            let mut next = u64::from(*from);
            while next <= u64::from(*to) {
                let Some(range) = holds(next) else { return false };
                next = range.end() + 1;
            }
            true
        })
    }

    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(from, to)| *from..=*to)
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (from, to)) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match from == to {
                true => write!(f, "{comma}{from}")?,
                false => write!(f, "{comma}{from}:{to}")?,
            }
        }
        Ok(())
    }
}

/// One FETCH line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetch {
    pub number: usize,
    pub uid: Option<u32>,
    pub flags: Option<Flags>,
    pub modseq: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Exists(usize),
    Expunge(usize),
    Vanished { is_earlier: bool, uids: Set },
    Fetch(Fetch),
    Search(Vec<u32>),
    Status(Vec<(String, u64)>),
    Enabled(String),
    Validity(u32),
    Next(u32),
    Highest(u64),
    NoModSeq,
    Closed,
    Modified(Set),
    Bye,
    Other,
}

/// Reads an untagged response; an error is one that is not understood.
pub fn untagged(response: &[u8]) -> Result<Told, String> {
    let Some(rest) = response.strip_prefix(b"* ") else {
        return Err("not an untagged response".to_owned());
    };
    let text = String::from_utf8_lossy(rest);
    let (word, after) = text.split_once(' ').unwrap_or((&text, ""));
    let wrong = || format!("cannot be read: {text}");
    if let Ok(number) = word.parse::<usize>() {
        return Ok(match after.split(' ').next() {
            Some("EXISTS") => Told::Exists(number),
            Some("EXPUNGE") => Told::Expunge(number),
            Some("FETCH") => Told::Fetch(fetch(number, rest).ok_or_else(wrong)?),
            _ => Told::Other,
        });
    }
    match word {
        "OK" | "NO" => Ok(code(after).unwrap_or(Told::Other)),
        "BYE" => Ok(Told::Bye),
        "ENABLED" => Ok(Told::Enabled(after.to_owned())),
        "VANISHED" => {
            let (is_earlier, set) = match after.strip_prefix("(EARLIER) ") {
                Some(set) => (true, set),
                None => (false, after),
            };
            let uids = Set::read(set).ok_or_else(wrong)?;
            Ok(Told::Vanished { is_earlier, uids })
        }
        "SEARCH" => {
            let numbers = after.split(" (").next().unwrap_or_default();
            let found = numbers.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>();
            found.map(Told::Search).map_err(|_| wrong())
        }
        "STATUS" => {
            let list = after.rsplit_once('(').and_then(|(_, l)| l.strip_suffix(')'));
            let words: Vec<&str> = list.ok_or_else(wrong)?.split(' ').collect();
            let pair = |p: &[&str]| Some((p.first()?.to_string(), p.get(1)?.parse().ok()?));
            words.chunks(2).map(pair).collect::<Option<_>>().map(Told::Status).ok_or_else(wrong)
        }
        _ => Ok(Told::Other),
    }
}

/// The response code at the start of a text, if it is one of ours here.
pub fn code(text: &str) -> Option<Told> {
    let inner = text.strip_prefix('[')?.split_once(']')?.0;
    let (word, value) = inner.split_once(' ').unwrap_or((inner, ""));
    match word {
        "UIDVALIDITY" => value.parse().ok().map(Told::Validity),
        "UIDNEXT" => value.parse().ok().map(Told::Next),
        "HIGHESTMODSEQ" => value.parse().ok().map(Told::Highest),
        "NOMODSEQ" => Some(Told::NoModSeq),
        "CLOSED" => Some(Told::Closed),
        "MODIFIED" => Set::read(value).map(Told::Modified),
        _ => None,
    }
}

/// `NUMBER FETCH (items)`
fn fetch(number: usize, line: &[u8]) -> Option<Fetch> {
    let mut fetch = Fetch { number, ..Fetch::default() };
    let mut rest = line.get(find(line, b"FETCH (")? + 7..)?;
    loop {
        rest = rest.trim_ascii_start();
        if rest == b")" {
            return Some(fetch);
        }
        let end = match rest.starts_with(b"BODY[") {
            true => rest.iter().position(|b| *b == b']')? + 1,
            false => rest.iter().position(|b| *b == b' ')?,
        };
        let (name, after) = rest.split_at(end);
        let (value, after) = value(after.trim_ascii_start())?;
        let text = String::from_utf8_lossy(value);
        let inner = text.trim_start_matches('(').trim_end_matches(')');
        match name {
            b"UID" => fetch.uid = Some(inner.parse().ok()?),
            b"MODSEQ" => fetch.modseq = Some(inner.parse().ok()?),
            b"FLAGS" => {
                let words = inner.split_ascii_whitespace().filter(|w| *w != "\\Recent");
                fetch.flags = Some(words.map(str::to_owned).collect());
            }
            _ => {}
        }
        rest = after;
    }
}

/// A value, and what follows it: a literal, a string, a list, or a word.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match text.first()? {
        b'{' => {
            let end = find(text, b"}\r\n")?;
            let count: usize = std::str::from_utf8(text.get(1..end)?).ok()?.parse().ok()?;
            end + 3 + count
        }
        b'"' => text.iter().skip(1).position(|b| *b == b'"')? + 2,
        b'(' => text.iter().position(|b| *b == b')')? + 1,
        _ => text.iter().position(|b| *b == b' ' || *b == b')')?,
    };
    text.split_at_checked(length)
}
