//! One exchange of a dialog: what the client sends, and the answer beside what is expected.

use super::pattern::{Pattern, Variables};
use super::play::Player;
use super::{Exchange, Expect, Speaker};
use crate::text::{show, split_crlf};
use crate::{PATIENCE, Session};
use std::fmt::Write as _;
use std::time::Instant;

impl Player<'_> {
    /// The session, started if it is not there.
    fn session(&mut self, number: u8, greeting: bool) -> Result<&mut Session, String> {
        if self.gone.remove(&number).is_some() {
            self.end(number)?;
            self.gone.remove(&number);
        }
        if !self.sessions.contains_key(&number) {
            let server = self.server(number);
            let env = self.environment(number)?;
            let env: Vec<(&str, &str)> =
                env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let args = self.dialog.args.iter().map(|a| self.text(a));
            let args = args.collect::<Result<Vec<String>, String>>()?;
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let mut session = self.maildir.start(server.program, &env, &args);
            if greeting {
                let line = session.response(PATIENCE).unwrap_or_default();
                if !crate::is_greeting(&line) {
                    self.story.push_str(&session.story());
                    return Err(format!("greeting: {}", show(&line)));
                }
            }
            self.sessions.insert(number, session);
        }
        self.sessions.get_mut(&number).ok_or_else(|| "no session".to_owned())
    }

    /// What the session's environment has beside the usual: that of its speaker, then the dialog's.
    fn environment(&self, number: u8) -> Result<Vec<(String, String)>, String> {
        let mut env = match self.server(number).speaker {
            Speaker::Postrider => Vec::new(),
            Speaker::CourierWire => vec![("IMAP_EXTENSIONS".to_owned(), "0".to_owned())],
            // DELETE and RENAME do not pause for two seconds.
            Speaker::Courier => vec![("IMAP_BROKENUIDV".to_owned(), "1".to_owned())],
        };
        for (session, name, value) in &self.dialog.env {
            if session.is_none_or(|s| s == number) {
                env.push((name.clone(), self.text(value)?));
            }
        }
        Ok(env)
    }

    /// A text of the dialog with its placeholders filled in.
    fn text(&self, text: &str) -> Result<String, String> {
        let bytes = Pattern::parse(text)?.bytes(b"", &self.variables)?;
        String::from_utf8(bytes).map_err(|e| e.to_string())
    }

    /// Closes a session and sees that it goes without another word.
    pub(super) fn end(&mut self, number: u8) -> Result<(), String> {
        let Some(mut session) = self.sessions.remove(&number) else {
            return Ok(());
        };
        self.gone.insert(number, true);
        session.hang_up();
        let status = session.wait();
        let rest = session.rest();
        let _ = write!(self.story, "=== session {number}\n{}", session.story());
        if !rest.is_empty() {
            return Err(format!("said at the end: {}", show(&rest)));
        }
        match status {
            Some(_) => Ok(()),
            None => Err("the process did not end when its client had gone".to_owned()),
        }
    }

    pub(super) fn exchange(&mut self, line: usize, exchange: &Exchange) -> Result<(), String> {
        let Exchange { session: number, sends, expects, tag, continues, blank } = exchange;
        // In a pipeline the first command's tagged line is not the end.
        let pipeline = sends.len() > 1 && !continues && !blank;
        let tag = if pipeline { "" } else { tag };
        let mut bytes = Vec::new();
        for send in sends {
            bytes.extend(send.bytes(b"\r\n", &self.variables)?);
        }
        if *blank && !self.record {
            return Err("no answer is written here; record one with --bless".to_owned());
        }
        let speaker = self.server(*number).speaker;
        self.session(*number, !sends.is_empty())?.send(&bytes);
        let last = expects.iter().rfind(|e| e.is_of(speaker)).map(|e| e.pattern.clone());
        let Some(last) = last else {
            if *blank {
                let lines = self.listen(*number, tag);
                let lines = lines.iter().map(|l| self.spoken(*number, l, tag)).collect();
                self.recorded.push((line, lines));
            }
            return Ok(());
        };
        let responses = self.answer(*number, &last, tag)?;
        if responses.iter().any(|r| r.starts_with(b"* BYE")) {
            self.gone.insert(*number, true);
        }
        let lines: Vec<Vec<u8>> =
            responses.iter().flat_map(|r| split_crlf(r)).map(<[u8]>::to_vec).collect();
        let said = show(bytes.strip_suffix(b"\r\n").unwrap_or(&bytes));
        self.compare(speaker, &said, expects, &lines)
    }

    /// What comes up to the last line that is expected, or the tagged line.
    fn answer(&mut self, number: u8, last: &Pattern, tag: &str) -> Result<Vec<Vec<u8>>, String> {
        let wanted = last.first_word().filter(|w| w != "*" && w != ")");
        let deadline = Instant::now() + PATIENCE;
        let mut responses: Vec<Vec<u8>> = Vec::new();
        let mut trial = self.variables.clone();
        let session = self.session(number, false)?;
        while let Some(response) =
            session.response(deadline.saturating_duration_since(Instant::now()))
        {
            if crate::is_progress(&response) {
                continue;
            }
            let first = response.split(|&b| b == b' ').next().unwrap_or_default();
            let tagged = !tag.is_empty() && tag != "*" && first == tag.as_bytes();
            let is_last = match &wanted {
                Some(word) => first == word.as_bytes(),
                None => {
                    let end = split_crlf(&response).pop().unwrap_or_default().to_vec();
                    last.matches(&end, &mut trial)
                }
            };
            responses.push(response);
            if tagged || is_last {
                break;
            }
        }
        Ok(responses)
    }

    /// Compares what came with what is expected of the speaker, and shows both if they differ.
    pub(super) fn compare(
        &mut self,
        speaker: Speaker,
        what: &str,
        expects: &[Expect],
        lines: &[Vec<u8>],
    ) -> Result<(), String> {
        let expects: Vec<&Expect> = expects.iter().filter(|e| e.is_of(speaker)).collect();
        let mut good = expects.len() == lines.len();
        let mut at = 0;
        while good && at < expects.len() {
            let group = expects[at..].iter().take_while(|e| e.unordered).count().max(1);
            let mut left: Vec<&Vec<u8>> = lines[at..at + group].iter().collect();
            for expect in &expects[at..at + group] {
                match left.iter().position(|l| expect.pattern.matches(l, &mut self.variables)) {
                    Some(found) => drop(left.remove(found)),
                    None => good = false,
                }
            }
            at += group;
        }
        if good {
            return Ok(());
        }
        Err(difference(what, &expects, lines, &self.variables))
    }
}

/// What was expected and what came, side by side.
fn difference(what: &str, expects: &[&Expect], lines: &[Vec<u8>], variables: &Variables) -> String {
    let mut message = format!("{}\n", what.chars().take(300).collect::<String>());
    for n in 0..expects.len().max(lines.len()) {
        match (expects.get(n), lines.get(n)) {
            (Some(e), Some(l)) if e.pattern.matches(l, &mut variables.clone()) => {
                let _ = writeln!(message, "      {}", show(l));
            }
            (expected, received) => {
                if let Some(expected) = expected {
                    let _ = writeln!(message, "    - {}", expected.text);
                }
                if let Some(received) = received {
                    let _ = writeln!(message, "    + {}", show(received));
                }
            }
        }
    }
    message
}
