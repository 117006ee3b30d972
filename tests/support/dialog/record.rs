//! Takes down what a server says where a dialog has no answer yet.

use super::pattern;
use super::play::Player;
use crate::now;
use crate::text::{show, split_crlf};
use std::fmt::Write as _;
use std::time::Duration;

impl Player<'_> {
    /// What a server says to a command for which nothing is expected yet.
    pub(super) fn listen(&mut self, number: u8, tag: &str) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let Some(session) = self.sessions.get_mut(&number) else {
            return lines;
        };
        while let Some(response) = session.response(Duration::from_millis(1500)) {
            let stop = response.starts_with(b"* NO Error in IMAP")
                || response.starts_with(b"+")
                || (tag != "*" && response.starts_with(format!("{tag} ").as_bytes()));
            if response.starts_with(b"* BYE") {
                self.gone.insert(number, true);
            }
            lines.extend(split_crlf(&response).into_iter().map(<[u8]>::to_vec));
            if stop {
                break;
            }
        }
        lines
    }

    pub(super) fn spoken(&mut self, number: u8, line: &[u8], tag: &str) -> String {
        // Folders come in no defined order.
        let listed = line.starts_with(b"* LIST (") || line.starts_with(b"* LSUB (");
        let head = if number == 1 { "S".to_owned() } else { format!("S{number}") };
        match line.strip_suffix(b" NO Error in IMAP command received by server.") {
            Some(t) if t == tag.as_bytes() => format!("{head}: %{{error}}"),
            Some(t) if !t.contains(&b' ') => format!("{head}: %{{error {}}}", show(t)),
            _ if listed => format!("{head}~: {}", self.written(line)),
            _ => format!("{head}: {}", unordered_keywords(&self.written(line))),
        }
    }

    /// A received line as it is written into a dialog: what will differ the next time becomes a
    /// placeholder.
    pub(super) fn written(&mut self, line: &[u8]) -> String {
        let text = show(line).replace(&*self.maildir.home().to_string_lossy(), "%{DIR}");
        let era = now() - 1_000_000_000;
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let start = out.is_empty() || !out.ends_with(|c: char| c.is_ascii_digit() || c == '.');
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if let Some(n) = pattern::unique_name(rest.as_bytes()).filter(|_| start) {
                out.push_str("%{name}");
                rest = &rest[n..];
            } else if start
                && digits == 9
                && rest[..9].parse::<u64>().is_ok_and(|n| n.abs_diff(era) < 10_000)
            {
                let value = rest[..9].to_owned();
                let known =
                    self.variables.iter().find(|(_, v)| **v == value).map(|(k, _)| k.clone());
                let name = known.unwrap_or_else(|| match self.variables.len() {
                    0 | 1 => "V".to_owned(),
                    n => format!("V{n}"),
                });
                let _ = write!(out, "%{{{name}}}");
                self.variables.insert(name, value);
                rest = &rest[9..];
            } else if let Some(after) =
                rest.strip_prefix("time=").filter(|_| text.contains(", user="))
            {
                out.push_str("time=%{#}");
                rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            } else if start && digits > 0 {
                out.push_str(&rest[..digits]);
                rest = &rest[digits..];
            } else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        out
    }
}

/// Keywords come in no defined order: `FLAGS (a b \\Seen)` becomes `FLAGS (%{set a b} \\Seen)`.
fn unordered_keywords(line: &str) -> String {
    let flags = line
        .find("FLAGS (")
        .map(|at| at + 7)
        .and_then(|from| Some((from, from + line[from..].find(')')?)));
    let Some((from, to)) = flags else { return line.to_owned() };
    let keywords: Vec<&str> = line[from..to].split(' ').filter(|w| !w.starts_with('\\')).collect();
    if keywords.len() < 2 {
        return line.to_owned();
    }
    let keywords = keywords.join(" ");
    line.replacen(&keywords, &format!("%{{set {keywords}}}"), 1)
}
