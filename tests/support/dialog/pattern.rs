//! The text of dialogs: escapes in what is sent or written, placeholders in what is expected. See
//! `tests/dialogs/README.md`.

use std::collections::BTreeMap;

/// Values bound by `%{V}` placeholders: one table per play.
pub type Variables = BTreeMap<String, String>;

/// A variable that is there where `%{extension TEXT}` is TEXT, and not nothing.
pub const EXTENSIONS: &str = "extensions";

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Bytes(Vec<u8>),
    Variable(String),
    Number,
    Any,
    Date,
    Name,
    Set(Vec<String>),
    Raw,
    Length,
    /// There only where the extensions are on.
    Extension(Vec<u8>),
}

/// A line of a dialog: text with placeholders.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            if at > 0 {
                tokens.push(Token::Bytes(rest.as_bytes()[..at].to_vec()));
            }
            let (word, after) = rest[at + 2..].split_once('}').ok_or("a %{ without its }")?;
            tokens.push(Self::placeholder(word)?);
            rest = after;
        }
        if !rest.is_empty() {
            tokens.push(Token::Bytes(rest.as_bytes().to_vec()));
        }
        Ok(Self { tokens })
    }

    fn placeholder(word: &str) -> Result<Token, String> {
        if let Some(words) = word.strip_prefix("set ") {
            return Ok(Token::Set(words.split(' ').map(str::to_owned).collect()));
        }
        if let Some((count, text)) = word.strip_prefix("repeat ").and_then(|r| r.split_once(' ')) {
            let count = count.parse().map_err(|_| format!("%{{{word}}}: a count is missing"))?;
            return Ok(Token::Bytes(text.repeat(count).into_bytes()));
        }
        if let Some(text) = word.strip_prefix("extension ") {
            return Ok(Token::Extension(text.as_bytes().to_vec()));
        }
        Ok(match word {
            "#" => Token::Number,
            "*" => Token::Any,
            "date" => Token::Date,
            "name" => Token::Name,
            "raw" => Token::Raw,
            "len" => Token::Length,
            "sp" => Token::Bytes(b" ".to_vec()),
            "cr" => Token::Bytes(b"\r".to_vec()),
            "lf" => Token::Bytes(b"\n".to_vec()),
            "tab" => Token::Bytes(b"\t".to_vec()),
            _ if word.starts_with(|c: char| c.is_ascii_uppercase()) => {
                Token::Variable(word.to_owned())
            }
            _ => {
                let digits = word.strip_prefix('x').filter(|d| d.len() % 2 == 0 && d.is_ascii());
                let digits = digits.ok_or_else(|| format!("unknown placeholder %{{{word}}}"))?;
                let bytes =
                    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16));
                Token::Bytes(
                    bytes
                        .collect::<Result<_, _>>()
                        .map_err(|_| format!("%{{{word}}}: not hexadecimal"))?,
                )
            }
        })
    }

    /// The bytes to send or to write, followed by `end` unless the line closes with `%{raw}`.
    pub fn bytes(&self, end: &[u8], variables: &Variables) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Bytes(bytes) => out.extend_from_slice(bytes),
                Token::Variable(name) => {
                    out.extend_from_slice(
                        variables
                            .get(name)
                            .ok_or_else(|| format!("%{{{name}}} has no value yet"))?
                            .as_bytes(),
                    );
                }
                Token::Raw => return Ok(out),
                _ => {
                    return Err(
                        "this placeholder has a meaning only in what is expected".to_owned()
                    );
                }
            }
        }
        out.extend_from_slice(end);
        Ok(out)
    }

    /// Puts a number where `%{len}` stands. False: there is none.
    pub fn set_length(&mut self, length: usize) -> bool {
        match self.tokens.iter_mut().find(|t| **t == Token::Length) {
            Some(token) => {
                *token = Token::Bytes(length.to_string().into_bytes());
                true
            }
            None => false,
        }
    }

    pub fn wants_length(&self) -> bool {
        self.tokens.contains(&Token::Length)
    }

    /// The first word if it is plain text: the tag of an expected line.
    pub fn first_word(&self) -> Option<String> {
        match self.tokens.first() {
            Some(Token::Bytes(bytes)) => {
                let end = bytes.iter().position(|&b| b == b' ')?;
                String::from_utf8(bytes[..end].to_vec()).ok()
            }
            _ => None,
        }
    }

    /// Whether a received line is the expected one; binds variables if so.
    pub fn matches(&self, line: &[u8], variables: &mut Variables) -> bool {
        let mut trial = variables.clone();
        if run(&self.tokens, line, &mut trial) {
            *variables = trial;
            return true;
        }
        false
    }
}

fn digits(line: &[u8]) -> usize {
    line.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn run(tokens: &[Token], line: &[u8], variables: &mut Variables) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return line.is_empty();
    };
    match token {
        Token::Bytes(bytes) => {
            line.strip_prefix(&bytes[..]).is_some_and(|l| run(rest, l, variables))
        }
        Token::Number | Token::Length => match digits(line) {
            0 => false,
            n => run(rest, &line[n..], variables),
        },
        Token::Variable(name) if name == "DIR" => {
            let value = variables.get(name).cloned().unwrap_or_default();
            line.strip_prefix(value.as_bytes()).is_some_and(|l| run(rest, l, variables))
        }
        Token::Variable(name) => {
            let n = digits(line);
            let value = String::from_utf8_lossy(&line[..n]).into_owned();
            if n == 0 || variables.get(name).is_some_and(|v| *v != value) {
                return false;
            }
            variables.insert(name.clone(), value);
            run(rest, &line[n..], variables)
        }
        Token::Any => (0..=line.len()).any(|n| run(rest, &line[n..], variables)),
        // "05-Mar-2024 01:02:03 +0000"
        Token::Date => {
            line.len() >= 28
                && line[0] == b'"'
                && line[27] == b'"'
                && run(rest, &line[28..], variables)
        }
        Token::Name => unique_name(line).is_some_and(|n| run(rest, &line[n..], variables)),
        Token::Set(words) => {
            let mut length = words.iter().map(String::len).sum::<usize>() + words.len() - 1;
            if line.len() < length {
                length = line.len();
            }
            let text = String::from_utf8_lossy(&line[..length]);
            let mut found: Vec<&str> = text.split(' ').collect();
            let mut wanted: Vec<&str> = words.iter().map(String::as_str).collect();
            found.sort_unstable();
            wanted.sort_unstable();
            found == wanted && run(rest, &line[length..], variables)
        }
        Token::Raw => run(rest, line, variables),
        Token::Extension(_) if !variables.contains_key(EXTENSIONS) => run(rest, line, variables),
        Token::Extension(text) => {
            line.strip_prefix(&text[..]).is_some_and(|l| run(rest, l, variables))
        }
    }
}

/// The length of a file name as Courier makes them, up to its `,` or `:`:
/// `1700000000.M4P12V...I..._0.host`.
pub fn unique_name(line: &[u8]) -> Option<usize> {
    let mut at = digits(line);
    if at == 0 {
        return None;
    }
    for mark in [&b".M"[..], b"P"] {
        if !line[at..].starts_with(mark) {
            return None;
        }
        at += mark.len();
        match digits(&line[at..]) {
            0 => return None,
            n => at += n,
        }
    }
    let end = line[at..].iter().position(|b| b",: \n".contains(b)).unwrap_or(line.len() - at);
    Some(at + end)
}
