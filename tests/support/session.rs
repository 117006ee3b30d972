//! A session as a test types it. A check that fails prints the transcript, the log and what lies in
//! the Maildir.

use crate::PATIENCE;
use crate::grammar::Grammar;
use crate::maildir::listing;
use crate::process::{Ends, Process, Received};
use crate::text::{show, split_crlf};
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One running session. Its ends are pipes.
pub struct Session {
    process: Process,
    ended: bool,
    tags: u32,
    /// What ours may say. `None`: Courier's server, or ours on Courier's wire, which is as it is.
    grammar: Option<Grammar>,
    story: Arc<Story>,
}

/// Whether this ends the part of a session that is readable: COMPRESS (RFC 4978 3).
fn is_compressed_from_here(response: &[u8]) -> bool {
    response.ends_with(b" OK DEFLATE active.")
}

/// What a failure prints.
struct Story {
    /// Both directions, as text.
    transcript: Mutex<String>,
    log: Arc<Mutex<Vec<u8>>>,
    maildir: PathBuf,
}

impl Story {
    fn note(&self, who: char, line: &[u8]) {
        let _ = writeln!(self.transcript.lock().unwrap(), "{who}: {}", show(line));
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- transcript\n{}", self.transcript.lock().unwrap())?;
        writeln!(f, "--- log\n{}", String::from_utf8_lossy(&self.log.lock().unwrap()))?;
        writeln!(f, "--- Maildir\n{}", listing(&self.maildir))
    }
}

impl Session {
    /// Starts a session over `maildir`, which its failures list.
    pub fn spawn(command: Command, maildir: PathBuf) -> Self {
        let what = format!("{command:?}");
        let is_off = |(name, value)| name == "IMAP_EXTENSIONS" && value == Some("0".as_ref());
        let on_couriers_wire = command.get_envs().any(is_off);
        let is_ours = command.get_program() == crate::postrider() && !on_couriers_wire;
        let process =
            Process::spawn(command, Ends::Pipes, None).unwrap_or_else(|e| panic!("{what}: {e}"));
        let story = Story { transcript: Mutex::default(), log: process.shared_log(), maildir };
        let grammar = is_ours.then(Grammar::default);
        Self { process, ended: false, tags: 0, grammar, story: Arc::new(story) }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Holds what comes against the grammar, whatever program it is.
    pub fn hold_to_grammar(&mut self) {
        self.grammar = Some(Grammar::default());
    }

    /// Sends bytes as they are. A session that has gone is noticed by the reader, not here.
    pub fn send(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            self.story.note('C', line.strip_suffix(b"\r\n").unwrap_or(line));
        }
        let _ = self.process.send(bytes);
    }

    /// One response: a line, and the literals and lines that belong to it, without the final CR LF.
    /// None: nothing (complete) within the time, or the session has ended. Panics at a response of
    /// ours that breaks the grammar.
    pub fn response(&mut self, patience: Duration) -> Option<Vec<u8>> {
        match self.process.response(patience) {
            Received::Response(response) => {
                split_crlf(&response).iter().for_each(|line| self.story.note('S', line));
                if is_compressed_from_here(&response) {
                    self.grammar = None;
                }
                if let Some(Err(fault)) = self.grammar.as_mut().map(|g| g.read(&response)) {
                    panic!("{fault}\n{}", self.story());
                }
                return Some(response);
            }
            Received::Nothing => {}
            Received::End => self.ended = true,
        }
        None
    }

    /// The next response as text; `(nothing)` when none comes.
    pub fn line(&mut self) -> String {
        self.response(PATIENCE).map_or_else(|| "(nothing)".to_owned(), |r| show(&r))
    }

    /// What was received and not taken by `response`; after `hang_up`, everything that is left.
    pub fn rest(&mut self) -> Vec<u8> {
        self.process.rest()
    }

    /// Whether the session closed its output.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Sends one command with a fresh tag and reads up to its tagged line.
    pub fn cmd(&mut self, command: &str) -> Reply {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n").as_bytes());
        self.finish(&tag)
    }

    /// APPEND and the like: the command up to its `{n}`, which is added, the literal, and the rest
    /// of the line.
    pub fn cmd_literal(&mut self, command: &str, literal: &[u8], tail: &str) -> Reply {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command} {{{}}}\r\n", literal.len()).as_bytes());
        let reply = self.finish(&tag);
        if !reply.last().starts_with(b"+") {
            return reply;
        }
        self.send(&[literal, tail.as_bytes(), b"\r\n"].concat());
        self.finish(&tag)
    }

    /// Reads until the tagged line of `tag`, a continuation line or the end.
    pub fn finish(&mut self, tag: &str) -> Reply {
        self.finish_within(tag, PATIENCE)
    }

    /// The same, where a response may take this long.
    pub fn finish_within(&mut self, tag: &str, patience: Duration) -> Reply {
        let mut responses = Vec::new();
        while let Some(response) = self.response(patience) {
            if crate::is_progress(&response) {
                continue;
            }
            let tagged = response.starts_with(format!("{tag} ").as_bytes());
            let last = tagged || response.starts_with(b"+");
            responses.push(response);
            if last {
                break;
            }
        }
        Reply { tag: tag.to_owned(), responses, story: Arc::clone(&self.story) }
    }

    /// The lines that the session wrote to standard error so far; all of them once it has ended.
    pub fn log(&self) -> Vec<String> {
        let log = String::from_utf8_lossy(&self.process.log()).into_owned();
        assert!(!log.contains("(os error"), "the system's words are enough: {log}");
        log.lines().map(str::to_owned).collect()
    }

    /// Closes the session's input, as a client that goes away.
    pub fn hang_up(&mut self) {
        self.process.hang_up();
    }

    /// Waits for the end of the process; None when it does not come (the process is then killed).
    pub fn wait(&mut self) -> Option<ExitStatus> {
        self.process.wait(PATIENCE)
    }

    /// Both directions so far, as text.
    pub fn transcript(&self) -> String {
        self.story.transcript.lock().unwrap().clone()
    }

    /// Forgets the transcript: what is long and was good need not be kept.
    pub fn forget(&mut self) {
        self.story.transcript.lock().unwrap().clear();
    }

    /// Transcript, log and listing: what a failure prints.
    pub fn story(&self) -> String {
        let incomplete = match self.process.incomplete() {
            [] => String::new(),
            bytes => format!("(incomplete: {})\n", show(bytes)),
        };
        format!("{}{incomplete}", self.story)
    }
}

/// The answer to one command. Its checks return it, so that they read in a row.
#[derive(Clone)]
pub struct Reply {
    tag: String,
    pub responses: Vec<Vec<u8>>,
    story: Arc<Story>,
}

impl Reply {
    /// The last line: the tagged one, or the continuation.
    pub fn last(&self) -> &[u8] {
        self.responses.last().map_or(b"", |r| r)
    }

    #[track_caller]
    fn tagged(&self, word: &str, text: &str) -> &Self {
        let expected = format!("{} {word} {text}", self.tag);
        assert!(
            self.last() == expected.as_bytes(),
            "expected: {expected}\nreceived: {}\n{}",
            show(self.last()),
            self.story
        );
        self
    }

    #[track_caller]
    pub fn ok(&self, text: &str) -> &Self {
        self.tagged("OK", text)
    }

    #[track_caller]
    pub fn no(&self, text: &str) -> &Self {
        self.tagged("NO", text)
    }

    #[track_caller]
    pub fn bad(&self, text: &str) -> &Self {
        self.tagged("BAD", text)
    }

    /// The tagged line starts like this, its tag left out.
    #[track_caller]
    pub fn says(&self, start: &str) -> &Self {
        let expected = format!("{} {start}", self.tag);
        assert!(
            self.last().starts_with(expected.as_bytes()),
            "expected: {expected}...\nreceived: {}\n{}",
            show(self.last()),
            self.story
        );
        self
    }

    /// One of the responses is exactly this (literals included, lines joined by CR LF).
    #[track_caller]
    pub fn has(&self, response: &str) -> &Self {
        assert!(
            self.responses.iter().any(|r| r == response.as_bytes()),
            "expected: {response}\n{}",
            self.story
        );
        self
    }

    /// None of the responses starts like this.
    #[track_caller]
    pub fn lacks(&self, start: &str) -> &Self {
        let found = self.responses.iter().any(|r| r.starts_with(start.as_bytes()));
        assert!(!found, "not expected: {start}\n{}", self.story);
        self
    }

    /// The first response that starts like this.
    #[track_caller]
    pub fn get(&self, start: &str) -> &[u8] {
        match self.responses.iter().find(|r| r.starts_with(start.as_bytes())) {
            Some(response) => response,
            None => panic!("expected: {start}...\n{}", self.story),
        }
    }
}
