//! One running imapd and its answers, as values that two servers' answers can be compared by:
//! whether a string came quoted or as a literal is the same to every client.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::process::{Ends, Process, Received};

/// Longer strings are kept as length and hash.
const KEPT: usize = 1 << 20;
/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(300);

/// A piece of an answer.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `NIL`
    Nil,
    /// A word: number, flag, section.
    Atom(Vec<u8>),
    /// A string, quoted or literal.
    Text(Vec<u8>),
    /// A long literal: bytes, hash.
    Big(u64, u64),
    /// A parenthesised list.
    List(Vec<Value>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => write!(f, "NIL"),
            Self::Atom(a) => write!(f, "{}", a.escape_ascii()),
            Self::Text(t) => write!(f, "\"{}\"", t.escape_ascii()),
            Self::Big(n, hash) => write!(f, "{{{n} bytes, hash {hash:x}}}"),
            Self::List(l) => {
                write!(f, "(")?;
                for (n, v) in l.iter().enumerate() {
                    write!(f, "{}{v:?}", if n > 0 { " " } else { "" })?;
                }
                write!(f, ")")
            }
        }
    }
}

/// What one FETCH line says of a message, by item.
pub type Items = BTreeMap<String, Value>;

/// The answer to one command.
#[derive(Default)]
pub struct Answer {
    /// `* n FETCH (...)`, by n.
    pub fetched: BTreeMap<u64, Items>,
    /// All other untagged lines.
    pub lines: Vec<Vec<u8>>,
    /// The tagged line without its tag.
    pub end: Vec<u8>,
}

impl Answer {
    /// Whether the command succeeded.
    pub fn ok(&self) -> bool {
        self.end.starts_with(b"OK")
    }
}

/// A session.
pub struct Server {
    /// Whose it is, for messages.
    pub name: &'static str,
    process: Process,
    buffer: Vec<u8>,
    at: usize,
    tags: u32,
}

/// Who a session runs as, and with what environment.
pub struct Setting {
    /// Owner of the Maildir, if that is not who runs this.
    pub ids: Option<(u32, u32)>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
}

impl Server {
    /// Starts `program` over the Maildir `home/Maildir` and reads its greeting.
    pub fn start(
        name: &'static str,
        program: &Path,
        home: &Path,
        setting: &Setting,
    ) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.arg("./Maildir").current_dir(home).env_clear().envs(setting.env.iter().cloned());
        if let Some((uid, gid)) = setting.ids {
            command.gid(gid).uid(uid);
        }
        // Always drained, so that no server waits for the other one to be read (a stall of a minute
        // ends a session).
        let process = Process::spawn(command, Ends::Pipes, None)
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let mut server = Self { name, process, buffer: Vec::new(), at: 0, tags: 0 };
        loop {
            let line = server.line()?;
            if line.starts_with(b"* PREAUTH") {
                return Ok(server);
            }
            // Courier may complain of its notification library first.
            if !line.starts_with(b"* OK") {
                return Err(format!("{name} greets with: {}", line.escape_ascii()));
            }
        }
    }

    /// Sends a command; its answer is read later, so that both servers work at the same time.
    pub fn send(&mut self, command: &[u8]) -> Result<(), String> {
        self.tags += 1;
        let mut line = format!("a{} ", self.tags).into_bytes();
        line.extend_from_slice(command);
        line.extend_from_slice(b"\r\n");
        self.process.send(&line).map_err(|e| format!("{} has gone: {e}", self.name))
    }

    /// The answer to the last command.
    pub fn answer(&mut self) -> Result<Answer, String> {
        let tag = format!("a{} ", self.tags);
        let mut answer = Answer::default();
        loop {
            let mut start = Vec::new();
            // The beginning of the line decides how the rest is read.
            loop {
                let byte = self.byte()?;
                start.push(byte);
                if byte == b'\n'
                    || (start.ends_with(b" FETCH (")
                        && start.get(2).is_some_and(u8::is_ascii_digit))
                {
                    break;
                }
                if byte == b'}' && !start.starts_with(b"a") {
                    self.splice(&mut start)?;
                }
            }
            if let Some(rest) = start.strip_suffix(b" FETCH (") {
                let number = rest.get(2..).and_then(number).ok_or("a FETCH without number")?;
                let items = self.items()?;
                answer.fetched.entry(number).or_default().extend(items);
                self.line()?;
            } else if let Some(rest) = start.strip_prefix(tag.as_bytes()) {
                answer.end = rest.trim_ascii_end().to_vec();
                return Ok(answer);
            } else {
                answer.lines.push(start.trim_ascii_end().to_vec());
            }
        }
    }

    /// LOGOUT, the end of the process, its log.
    pub fn finish(mut self) -> Result<Vec<u8>, String> {
        self.send(b"LOGOUT")?;
        let end = self.answer()?;
        if !end.ok() {
            return Err(format!("{} answers LOGOUT with {}", self.name, end.end.escape_ascii()));
        }
        self.process.hang_up();
        match self.process.wait(PATIENCE) {
            Some(_) => Ok(self.process.log()),
            None => Err(format!("{} does not end", self.name)),
        }
    }

    /// Takes the literal that `{n}` at the end of `start` announces into the line.
    fn splice(&mut self, start: &mut Vec<u8>) -> Result<(), String> {
        let Some(open) = start.iter().rposition(|&b| b == b'{') else { return Ok(()) };
        let Some(length) = start.get(open + 1..start.len() - 1).and_then(number) else {
            return Ok(());
        };
        let next = self.byte()?;
        start.push(next);
        if next != b'\r' {
            return Ok(());
        }
        start.push(self.byte()?);
        for _ in 0..length {
            start.push(self.byte()?);
        }
        Ok(())
    }

    fn items(&mut self) -> Result<Items, String> {
        let mut items = Items::new();
        loop {
            let mut name = Vec::new();
            let mut depth = 0;
            loop {
                let byte = self.byte()?;
                match byte {
                    b'[' => depth += 1,
                    b']' => depth -= 1,
                    b')' if depth == 0 => return Ok(items),
                    b' ' if depth == 0 && name.is_empty() => continue,
                    b' ' if depth == 0 => break,
                    _ => {}
                }
                name.push(byte.to_ascii_uppercase());
            }
            // Servers may quote the names of header fields, or not.
            name.retain(|&b| b != b'"');
            let mut value = self.value()?;
            // Flags are a set.
            if let (b"FLAGS", Value::List(flags)) = (name.as_slice(), &mut value) {
                flags.sort_by_key(|f| format!("{f:?}"));
            }
            items.insert(String::from_utf8_lossy(&name).into_owned(), value);
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.peek()? {
            b'(' => {
                self.at += 1;
                let mut list = Vec::new();
                loop {
                    match self.peek()? {
                        b')' => {
                            self.at += 1;
                            return Ok(Value::List(list));
                        }
                        b' ' => self.at += 1,
                        _ => list.push(self.value()?),
                    }
                }
            }
            b'"' => {
                self.at += 1;
                let mut text = Vec::new();
                loop {
                    match self.byte()? {
                        b'"' => return Ok(Value::Text(text)),
                        b'\\' => text.push(self.byte()?),
                        byte => text.push(byte),
                    }
                }
            }
            b'{' => self.literal(),
            _ => {
                let mut atom = Vec::new();
                while !matches!(self.peek()?, b' ' | b')' | b'(' | b'\r' | b'\n') {
                    atom.push(self.byte()?);
                }
                Ok(if atom.eq_ignore_ascii_case(b"NIL") { Value::Nil } else { Value::Atom(atom) })
            }
        }
    }

    fn literal(&mut self) -> Result<Value, String> {
        let head = self.line()?;
        let length = head.strip_prefix(b"{").and_then(|h| h.strip_suffix(b"}")).and_then(number);
        let length =
            length.ok_or_else(|| format!("{}: no literal: {}", self.name, head.escape_ascii()))?;
        let (mut left, mut kept, mut hash) = (length, Vec::new(), 0xcbf2_9ce4_8422_2325_u64);
        while left > 0 {
            self.fill()?;
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let take = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &rest[..take];
            // FNV-1a: against accidents, not against enemies.
            hash =
                piece.iter().fold(hash, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
            if length <= KEPT as u64 {
                kept.extend_from_slice(piece);
            }
            self.at += take;
            left -= take as u64;
        }
        Ok(if length <= KEPT as u64 { Value::Text(kept) } else { Value::Big(length, hash) })
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => {
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    return Ok(line);
                }
                byte => line.push(byte),
            }
        }
    }

    fn peek(&mut self) -> Result<u8, String> {
        self.fill()?;
        self.buffer.get(self.at).copied().ok_or_else(|| "no input".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn fill(&mut self) -> Result<(), String> {
        if self.at < self.buffer.len() {
            return Ok(());
        }
        self.buffer = match self.process.piece(PATIENCE) {
            Received::Response(piece) => piece,
            Received::Nothing => return Err(format!("{} says no more", self.name)),
            Received::End => return Err(format!("{} has ended", self.name)),
        };
        self.at = 0;
        Ok(())
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
