//! Reads the lines of a dialog file.

use super::pattern::Pattern;
use super::{Dialog, Exchange, Expect, Mark, Side, Step};
use std::collections::BTreeMap;

impl Dialog {
    pub(super) fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(text) = line.strip_prefix('|') {
            return self.content(number, text);
        }
        if let Some((head, text)) = split_head(line) {
            return self.speech(number, head, text);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let step = match (word, &words[..]) {
            _ if word.starts_with("env") => {
                let session = session_of(&word[3..])?;
                let (name, value) = rest.split_once('=').ok_or("env NAME=VALUE")?;
                self.env.push((
                    (word != "env").then_some(session),
                    name.to_owned(),
                    value.to_owned(),
                ));
                return Ok(());
            }
            ("args", _) => {
                self.args = words.iter().map(|w| (*w).to_owned()).collect();
                return Ok(());
            }
            ("only", _) => {
                self.only = Some(mark(rest)?);
                return Ok(());
            }
            ("same", ["disk"]) => {
                self.same_disk = true;
                return Ok(());
            }
            ("mixed", []) => {
                self.mixed = true;
                return Ok(());
            }
            ("hangup", []) => Step::HangUp(1),
            ("hangup", [n]) => Step::HangUp(session_of(n)?),
            ("signal", [name]) => Step::Signal(1, (*name).to_owned()),
            ("exit", [code]) => Step::Exit(1, code.parse().map_err(|_| "exit CODE")?),
            ("exit", [n, code]) => {
                Step::Exit(session_of(n)?, code.parse().map_err(|_| "exit SESSION CODE")?)
            }
            ("sleep", [ms]) => Step::Sleep(ms.parse().map_err(|_| "sleep MILLISECONDS")?),
            ("folder", _) => Step::Folder(rest.to_owned()),
            ("uidvalidity", _) => {
                let (folder, n) = rest.rsplit_once(' ').ok_or("uidvalidity FOLDER N")?;
                Step::Uidvalidity(folder.to_owned(), n.parse().map_err(|_| "a number")?)
            }
            ("messages", [n]) => {
                Step::Messages(n.parse().map_err(|_| "a number")?, "INBOX".to_owned())
            }
            ("messages", [n, folder]) => {
                Step::Messages(n.parse().map_err(|_| "a number")?, (*folder).to_owned())
            }
            ("file", _) => {
                let (name, time) = with_time(rest)?;
                Step::File { name: Pattern::parse(name)?, lines: Vec::new(), time }
            }
            ("touch", _) => match with_time(rest)? {
                (name, Some(time)) => Step::Touch(name.to_owned(), time),
                _ => return Err("touch FILE @ 2024-01-31 12:00:00".to_owned()),
            },
            ("mkdir", [name]) => Step::Mkdir((*name).to_owned()),
            ("rm", [name]) => Step::Remove((*name).to_owned()),
            ("mv", [from, to]) => Step::Move((*from).to_owned(), (*to).to_owned()),
            ("symlink", [target, name]) => Step::Symlink((*target).to_owned(), (*name).to_owned()),
            ("mode", [mode, name]) => Step::Mode(
                (*name).to_owned(),
                u32::from_str_radix(mode, 8).map_err(|_| "an octal mode")?,
            ),
            ("expect", ["file", name]) => {
                Step::ExpectFile { name: (*name).to_owned(), expects: Vec::new(), blank: true }
            }
            ("expect", ["files"]) => {
                Step::ExpectFiles { dir: String::new(), expects: Vec::new(), blank: true }
            }
            ("expect", ["files", dir]) => {
                Step::ExpectFiles { dir: (*dir).to_owned(), expects: Vec::new(), blank: true }
            }
            _ => return Err(format!("what is this? {line}")),
        };
        self.steps.push((number, step));
        Ok(())
    }

    /// A `|` line: content of the file, or an expected line of the file or listing, named above it.
    fn content(&mut self, number: usize, text: &str) -> Result<(), String> {
        let Some((last, step)) = self.steps.last_mut() else {
            return Err("content of what?".to_owned());
        };
        *last = number;
        match step {
            Step::File { lines, .. } => {
                lines.push(Pattern::parse(text.strip_prefix(' ').unwrap_or(text))?)
            }
            Step::ExpectFile { expects, blank, .. } | Step::ExpectFiles { expects, blank, .. } => {
                let unordered = text.starts_with('~');
                let text = text.trim_start_matches('~');
                let (mark, text) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
                    Some((mark, text)) => (Some(mark), text),
                    None => (None, text),
                };
                *blank = false;
                if text.trim() != "(none)" {
                    expects.push(expect(mark, unordered, text.strip_prefix(' ').unwrap_or(text))?);
                }
            }
            _ => return Err("content of what?".to_owned()),
        }
        Ok(())
    }

    /// A line that somebody says: `C:`, `C&:`, `S:`, `S2~:`, `S[ours row]:`, `L:`.
    fn speech(&mut self, number: usize, head: &str, text: &str) -> Result<(), String> {
        let (who, mark) = match head.strip_suffix(']').and_then(|h| h.split_once('[')) {
            Some((who, mark)) => (who, Some(mark)),
            None => (head, None),
        };
        let unordered = who.ends_with('~');
        let more = who.ends_with('&');
        let who = who.trim_end_matches(['~', '&']);
        let session = session_of(&who[1..])?;
        let last = self.steps.last_mut();
        match who.as_bytes()[0] {
            b'C' => {
                let pattern = Pattern::parse(text)?;
                if let Some((at, Step::Exchange(e))) = last
                    && e.session == session
                    && e.expects.is_empty()
                    && !e.blank
                {
                    (*at, e.blank) = (number, !more);
                    e.sends.push(pattern);
                    return Ok(());
                }
                let before = self.steps.iter().rev().find_map(|(_, s)| match s {
                    Step::Exchange(e) if e.session == session => Some((&e.expects, e.tag.clone())),
                    _ => None,
                });
                let continues = before
                    .as_ref()
                    .is_some_and(|(e, _)| e.last().is_some_and(|e| e.text.starts_with('+')));
                let tag = match before {
                    Some((_, tag)) if continues => tag,
                    _ => text.split_whitespace().next().unwrap_or("*").to_owned(),
                };
                let (sends, expects) = (vec![pattern], Vec::new());
                let exchange = Exchange { session, sends, expects, tag, continues, blank: !more };
                self.steps.push((number, Step::Exchange(exchange)));
            }
            b'S' => {
                let new = match last {
                    Some((at, Step::Exchange(e))) if e.session == session => {
                        (*at, e.blank) = (number, false);
                        e.expects.extend(answers(mark, unordered, text, &e.tag)?);
                        return Ok(());
                    }
                    _ => answers(mark, unordered, text, "*")?,
                };
                let exchange = Exchange {
                    session,
                    sends: Vec::new(),
                    expects: new,
                    tag: String::new(),
                    continues: true,
                    blank: false,
                };
                self.steps.push((number, Step::Exchange(exchange)));
            }
            _ => {
                let record = text == "?";
                let new = if record { Vec::new() } else { vec![expect(mark, unordered, text)?] };
                match last {
                    Some((at, Step::Log { session: s, expects, .. })) if *s == session => {
                        *at = number;
                        expects.extend(new);
                    }
                    _ => self
                        .steps
                        .push((number, Step::Log { session, expects: new, blank: record })),
                }
            }
        }
        Ok(())
    }

    /// Fills in each `%{len}`: the bytes of the lines that follow it, up to the line end that
    /// closes the command.
    pub(super) fn lengths(&mut self) {
        let mut lines: Vec<(usize, usize, u8, bool)> = Vec::new();
        for (at, (_, step)) in self.steps.iter().enumerate() {
            if let Step::Exchange(e) = step {
                let count = e.sends.len();
                lines.extend((0..count).map(|n| (at, n, e.session, n + 1 == count)));
            }
        }
        for (k, &(at, n, session, _)) in lines.iter().enumerate() {
            let mut length = 0;
            for &(at, n, s, last) in &lines[k + 1..] {
                let Step::Exchange(Exchange { sends, .. }) = &self.steps[at].1 else {
                    continue;
                };
                if s == session {
                    length += sends[n].bytes(b"\r\n", &BTreeMap::new()).map_or(0, |o| o.len());
                    if last {
                        break;
                    }
                }
            }
            if let Step::Exchange(Exchange { sends, .. }) = &mut self.steps[at].1 {
                sends[n].set_length(length.saturating_sub(2));
            }
        }
    }
}

/// `C: text` and its kin: the head without the colon, and the text.
fn split_head(line: &str) -> Option<(&str, &str)> {
    let (head, text) = line.split_once(':')?;
    let known = head.starts_with(['C', 'S', 'L'])
        && head[1..].starts_with(['[', '~', '&', '2', '3', '4'])
        || head.len() == 1;
    known.then(|| (head, text.strip_prefix(' ').unwrap_or(text)))
}

fn session_of(text: &str) -> Result<u8, String> {
    if text.is_empty() { Ok(1) } else { text.parse().map_err(|_| format!("session {text}?")) }
}

fn mark(text: &str) -> Result<Mark, String> {
    match text.split_once(' ') {
        Some(("ours", row)) => Ok(Mark { side: Side::Ours, row: row.to_owned() }),
        Some(("courier", row)) => Ok(Mark { side: Side::Courier, row: row.to_owned() }),
        _ => Err("a mark is [ours ROW] or [courier ROW]".to_owned()),
    }
}

fn expect(marked: Option<&str>, unordered: bool, text: &str) -> Result<Expect, String> {
    let mark = marked.map(mark).transpose()?;
    Ok(Expect { mark, unordered, pattern: Pattern::parse(text)?, text: text.to_owned() })
}

/// An `S:` line; `%{error}` stands for the two servers' answers to a protocol error.
fn answers(
    mark: Option<&str>,
    unordered: bool,
    text: &str,
    tag: &str,
) -> Result<Vec<Expect>, String> {
    let tag = match text.strip_prefix("%{error").and_then(|t| t.strip_suffix('}')) {
        Some("") => tag,
        Some(tag) => tag.trim_start(),
        None => return Ok(vec![expect(mark, unordered, text)?]),
    };
    Ok(vec![
        expect(
            Some("ours bad-for-syntax"),
            false,
            &format!("{tag} BAD Error in IMAP command received by server."),
        )?,
        expect(
            Some("courier bad-for-syntax"),
            false,
            &format!("{tag} NO Error in IMAP command received by server."),
        )?,
    ])
}

/// `NAME @ 2024-01-31 12:00:00`: the name, and the time in Unix seconds (UTC).
fn with_time(text: &str) -> Result<(&str, Option<u64>), String> {
    let Some((name, time)) = text.split_once(" @ ") else {
        return Ok((text, None));
    };
    let numbers: Vec<u64> = time.split(['-', ' ', ':']).map_while(|n| n.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else {
        return Err("a time is 2024-01-31 12:00:00".to_owned());
    };
    // Days from the civil date, counted from 1 March of year 0.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Ok((name, Some(days * 86_400 + hour * 3_600 + minute * 60 + second)))
}
