//! A client that believes every word: from EXISTS, EXPUNGE and FETCH it makes its picture of the
//! folder (RFC 3501 7.3 and 7.4), and it stops where a response contradicts that picture.

use crate::grammar::Grammar;
use crate::process::{Ends, Process, Received};
use crate::text::{find, show};
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The longest that an answer may take: a dead session's lock costs five seconds, and several may
/// die in a row.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Why a client stops.
#[derive(Debug)]
pub enum Stop {
    /// The connection is closed.
    Dead,
    /// The server has done something that it must not.
    Wrong(String),
}

pub type Result<T> = std::result::Result<T, Stop>;

/// A message as the client believes it to be.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub uid: Option<u32>,
    /// Which message it is, by its `X-Id`.
    pub id: Option<u64>,
    /// `None`: the client does not know.
    pub flags: Option<BTreeSet<String>>,
}

/// What came with one FETCH line.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    pub index: usize,
    pub uid: Option<u32>,
    pub flags: Option<BTreeSet<String>>,
    pub size: Option<usize>,
    pub body: Option<Vec<u8>>,
}

/// The answer to one command.
#[derive(Debug, Default)]
pub struct Reply {
    /// `OK`, `NO`, `BAD`.
    pub word: String,
    pub text: String,
    pub fetched: Vec<Fetched>,
    pub validity: Option<u32>,
    pub status: Option<String>,
    /// The lines of LIST and LSUB.
    pub listed: Vec<String>,
    /// An untagged COPYUID and what follows it.
    pub copied: Option<String>,
}

/// What a command's answer may bring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// EXPUNGE, too.
    Expunge,
    /// No EXPUNGE: FETCH, STORE, SEARCH (RFC 3501 7.4.1).
    Fixed,
}

/// A session and what its client knows.
pub struct Client {
    pub process: Process,
    pub courier: bool,
    story: VecDeque<String>,
    grammar: Grammar,
    tags: u32,
    /// By sequence number, from 0.
    pub picture: Vec<Entry>,
    /// The last UIDVALIDITY that was told.
    pub validity: Option<u32>,
    pub commands: u64,
}

impl Client {
    /// Starts a process over the Maildir in `home`.
    pub fn start(
        program: &Path,
        courier: bool,
        home: &Path,
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Client> {
        let mut command = Command::new(program);
        command.arg("./Maildir").current_dir(home).env_clear();
        command.envs(env.iter().map(|(a, b)| (a, b)));
        Client::spawn(command, courier, log)
    }

    /// Starts a process on a socket, as under couriertcpd; its log is added to a file.
    pub fn spawn(command: Command, courier: bool, log: &Path) -> Result<Client> {
        let what = format!("{command:?}");
        let spawn = || {
            let log = File::options().append(true).create(true).open(log)?;
            Process::spawn(command, Ends::Socket, Some(log))
        };
        let process = spawn().map_err(|e| Stop::Wrong(format!("{what}: {e}")))?;
        let (story, picture) = (VecDeque::new(), Vec::new());
        let grammar = Grammar::default();
        Ok(Client {
            process,
            courier,
            story,
            grammar,
            tags: 0,
            picture,
            validity: None,
            commands: 0,
        })
    }

    /// The last lines of both directions.
    pub fn story(&self) -> String {
        self.story.iter().map(|l| format!("    {l}\n")).collect()
    }

    fn note(&mut self, who: &str, line: &[u8]) {
        let mut text = show(line.get(..line.len().min(300)).unwrap_or(line));
        if line.len() > 300 {
            text.push_str("...");
        }
        self.story.push_back(format!("{who}: {text}"));
        if self.story.len() > 60 {
            self.story.pop_front();
        }
    }

    /// Whose session it is, and its process.
    pub fn who(&self) -> String {
        let who = if self.courier { "Courier" } else { "ours" };
        format!("{who}, pid {}", self.process.pid())
    }

    pub fn wrong<T>(&self, what: &str) -> Result<T> {
        Err(Stop::Wrong(format!("{what} ({})\n{}", self.who(), self.story())))
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.note("C", bytes.strip_suffix(b"\r\n").unwrap_or(bytes));
        self.process.send(bytes).map_err(|_| Stop::Dead)
    }

    /// The next response with its literals; `None`: nothing within the time.
    pub fn response(&mut self, patience: Duration) -> Result<Option<Vec<u8>>> {
        match self.process.response(patience) {
            Received::Response(response) => {
                self.note("S", &response);
                if !self.courier
                    && let Err(fault) = self.grammar.read(&response)
                {
                    return self.wrong(&fault);
                }
                Ok(Some(response))
            }
            Received::Nothing => Ok(None),
            Received::End => Err(Stop::Dead),
        }
    }

    /// Takes one untagged response into the picture.
    pub fn take(&mut self, response: &[u8], allow: Allow, reply: &mut Reply) -> Result<()> {
        let Some(rest) = response.strip_prefix(b"* ") else {
            return self.wrong("not an untagged response");
        };
        if rest.starts_with(b"BYE") {
            return Err(Stop::Dead);
        }
        if rest.starts_with(b"STATUS ") {
            reply.status = Some(String::from_utf8_lossy(rest).into_owned());
        }
        if rest.starts_with(b"OK [COPYUID ") {
            reply.copied = rest.get(3..).map(|text| String::from_utf8_lossy(text).into_owned());
        }
        if rest.starts_with(b"LIST ") || rest.starts_with(b"LSUB ") {
            reply.listed.push(String::from_utf8_lossy(rest).into_owned());
        }
        if let Some(at) = find(rest, b"[UIDVALIDITY ") {
            reply.validity = number(&rest[at + 13..]).and_then(|n| u32::try_from(n).ok());
            self.validity = reply.validity;
        }
        let Some(n) = number(rest) else { return Ok(()) };
        let n = n as usize;
        let space = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let rest = &rest[(space + 1).min(rest.len())..];
        if rest == b"EXISTS" {
            if n < self.picture.len() {
                return self.wrong(&format!("EXISTS {n} where {} are known", self.picture.len()));
            }
            self.picture.resize(n, Entry::default());
        } else if rest == b"EXPUNGE" {
            if allow == Allow::Fixed {
                return self.wrong("EXPUNGE where numbers must not move");
            }
            if n == 0 || n > self.picture.len() {
                return self.wrong(&format!("EXPUNGE {n} where {} are known", self.picture.len()));
            }
            self.picture.remove(n - 1);
            // What was fetched before it has other numbers now.
            reply.fetched.retain(|f| f.index != n - 1);
            reply.fetched.iter_mut().filter(|f| f.index >= n).for_each(|f| f.index -= 1);
        } else if let Some(items) = rest.strip_prefix(b"FETCH (") {
            if n == 0 || n > self.picture.len() {
                return self.wrong(&format!("FETCH {n} where {} are known", self.picture.len()));
            }
            let Some(fetched) = items_of(n - 1, items) else {
                return self.wrong("a FETCH line that cannot be read");
            };
            let entry = &mut self.picture[n - 1];
            if let Some(uid) = fetched.uid {
                if entry.uid.is_some_and(|known| known != uid) {
                    return self.wrong(&format!("message {n} is UID {uid}, and was another"));
                }
                entry.uid = Some(uid);
            }
            if let Some(flags) = &fetched.flags {
                entry.flags = Some(flags.clone());
            }
            reply.fetched.push(fetched);
        }
        Ok(())
    }

    /// Reads up to the tagged line.
    pub fn finish(&mut self, tag: &str, allow: Allow) -> Result<Reply> {
        let mut reply = Reply::default();
        loop {
            let Some(response) = self.response(PATIENCE)? else { return self.wrong("no answer") };
            if response.starts_with(b"+ ") {
                reply.word = "+".to_owned();
                return Ok(reply);
            }
            let Some(rest) = response.strip_prefix(format!("{tag} ").as_bytes()) else {
                self.take(&response, allow, &mut reply)?;
                continue;
            };
            let text = String::from_utf8_lossy(rest).into_owned();
            let (word, text) = text.split_once(' ').unwrap_or((&text, ""));
            (reply.word, reply.text) = (word.to_owned(), text.to_owned());
            if reply.word == "BAD" {
                return self.wrong("BAD");
            }
            return Ok(reply);
        }
    }

    pub fn tag(&mut self) -> String {
        self.tags += 1;
        self.commands += 1;
        format!("t{}", self.tags)
    }

    /// One command and its answer.
    pub fn cmd(&mut self, command: &str, allow: Allow) -> Result<Reply> {
        let tag = self.tag();
        self.send(format!("{tag} {command}\r\n").as_bytes())?;
        self.finish(&tag, allow)
    }

    /// A command that ends in a literal.
    pub fn cmd_literal(&mut self, command: &str, literal: &[u8], plus: bool) -> Result<Reply> {
        let tag = self.tag();
        let sign = if plus { "+" } else { "" };
        let mut head = format!("{tag} {command} {{{}{sign}}}\r\n", literal.len()).into_bytes();
        if plus {
            head.extend_from_slice(literal);
            head.extend_from_slice(b"\r\n");
            self.send(&head)?;
            return self.finish(&tag, Allow::Expunge);
        }
        self.send(&head)?;
        let reply = self.finish(&tag, Allow::Expunge)?;
        if reply.word != "+" {
            return Ok(reply);
        }
        self.send(&[literal, b"\r\n"].concat())?;
        self.finish(&tag, Allow::Expunge)
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

/// The items of a FETCH line, behind its opening parenthesis.
fn items_of(index: usize, mut rest: &[u8]) -> Option<Fetched> {
    let mut fetched = Fetched { index, ..Fetched::default() };
    loop {
        rest = rest.trim_ascii_start();
        if rest == b")" {
            return Some(fetched);
        }
        let name_end = if rest.starts_with(b"BODY[") {
            rest.iter().position(|b| *b == b']')? + 1
        } else {
            rest.iter().position(|b| *b == b' ')?
        };
        let (name, after) = rest.split_at(name_end);
        let value = after.trim_ascii_start();
        match name {
            b"UID" => fetched.uid = u32::try_from(number(value)?).ok(),
            b"RFC822.SIZE" => fetched.size = Some(number(value)? as usize),
            b"FLAGS" => {
                let end = value.iter().position(|b| *b == b')')?;
                let names = std::str::from_utf8(value.get(1..end)?).ok()?;
                fetched.flags = Some(names.split_ascii_whitespace().map(str::to_owned).collect());
                rest = value.get(end + 1..)?;
                continue;
            }
            _ => {
                if value.starts_with(b"(") {
                    // MODSEQ (RFC 7162 3.1.4.2).
                    rest = value.get(value.iter().position(|b| *b == b')')? + 1..)?;
                } else if let Some(quoted) = value.strip_prefix(b"\"") {
                    let end = quoted.iter().position(|b| *b == b'"')?;
                    fetched.body = Some(quoted[..end].to_vec());
                    rest = &quoted[end + 1..];
                } else if let Some(rest_of_nil) = value.strip_prefix(b"NIL") {
                    rest = rest_of_nil;
                } else {
                    let length = number(value.strip_prefix(b"{")?)? as usize;
                    let start = find(value, b"\r\n")? + 2;
                    fetched.body = Some(value.get(start..start + length)?.to_vec());
                    rest = value.get(start + length..)?;
                }
                continue;
            }
        }
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        rest = &value[digits..];
    }
}
