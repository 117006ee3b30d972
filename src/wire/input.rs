//! Tokens, pulled one at a time by whoever parses (PROTOCOL 1). A line is lexed as it is read, so a
//! continuation is sent exactly when a parser wants a literal, and every check that comes first can
//! come first.

use super::head::Head;
use super::io::{Io, STALL};
use super::{Error, Literal, Result, Token};
use crate::sys::clock;

/// The longest string, quoted or literal.
pub(crate) const MAX_STRING: usize = 64 * 1024;
/// The longest command, its literals included (APPEND's message is not counted).
pub(crate) const MAX_COMMAND: usize = 1024 * 1024;

/// What `[` and `]` are, `~` and `}` too: tokens of their own or errors, or part of an atom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Brackets {
    /// Tokens, errors.
    Tokens,
    /// Atom characters but for `]`: where flags belong (RFC 3501 9, `ATOM-CHAR`; Courier: as
    /// [`Brackets::Tokens`]).
    Flags,
    /// Atom characters: where an astring belongs (RFC 3501 9, `ASTRING-CHAR`; Courier: the
    /// brackets, and in SEARCH only).
    Text,
}

/// Octets of an atom. Courier: everything but blanks, controls, 8-bit and `\ " ( ) ~ { } [ ]`.
fn is_atom_byte(b: u8, brackets: Brackets) -> bool {
    match b {
        b'[' | b'~' | b'}' => brackets != Brackets::Tokens,
        b']' => brackets == Brackets::Text,
        b'\\' | b'"' | b'(' | b')' | b'{' => false,
        _ => b.is_ascii_graphic(),
    }
}

impl Io {
    /// Forgets the line before and starts with the next.
    pub(crate) fn begin_line(&mut self) {
        self.line = super::io::Line::default();
    }

    /// The next octet without taking it.
    fn peek_byte(&mut self) -> Result<u8> {
        loop {
            if let Some(b) = self.unread().first() {
                return Ok(*b);
            }
            self.fill(self.deadline)?;
        }
    }

    /// Takes the octet that was looked at.
    fn take_byte(&mut self) {
        self.take_bytes(1);
    }

    /// Takes octets that are there, of one line; a head of a literal that they complete is noted.
    fn take_bytes(&mut self, count: usize) {
        let literal = self
            .buffer
            .get(self.at..self.at.saturating_add(count))
            .and_then(|octets| self.line.head.take_all(octets));
        self.line.literal = literal.or(self.line.literal);
        self.at = self.at.saturating_add(count);
        self.line.bytes = self.line.bytes.saturating_add(count);
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Result<Token> {
        self.token_as(Brackets::Tokens)
    }

    /// The next token, with brackets read as told.
    pub(crate) fn token_as(&mut self, brackets: Brackets) -> Result<Token> {
        if let Some(token) = self.line.back.take() {
            return Ok(token);
        }
        let token = self.lex(brackets);
        if let Some(trace) = &mut self.trace
            && !matches!(token, Err(Error::End(_)))
        {
            let text = token.as_ref().map_or_else(|_| b"ERROR".to_vec(), Token::traced);
            trace(&[b"READ: ", &*text, b"\n"].concat());
        }
        token
    }

    /// Looks at the next token without taking it.
    pub(crate) fn peek(&mut self) -> Result<&Token> {
        let token = self.token()?;
        Ok(self.line.back.insert(token))
    }

    fn lex(&mut self, brackets: Brackets) -> Result<Token> {
        if self.line.ended {
            return Ok(Token::Eol);
        }
        if self.line.literal.is_some() || self.line.bytes > MAX_COMMAND {
            return Err(Error::Syntax);
        }
        while matches!(self.peek_byte()?, b' ' | b'\t' | b'\r') {
            self.take_byte();
            if self.line.bytes > MAX_COMMAND {
                return Err(Error::Syntax);
            }
        }
        let first = self.peek_byte()?;
        let mut text = Vec::new();
        match (first, brackets) {
            (b'\n', _) => {
                self.take_byte();
                if self.line.literal.is_some() {
                    // The end of a head whose beginning was refused.
                    return Err(Error::Syntax);
                }
                self.line.ended = true;
                return Ok(Token::Eol);
            }
            (b'(', _) => return Ok(self.single(Token::Open)),
            (b')', _) => return Ok(self.single(Token::Close)),
            (b'[', Brackets::Tokens) => return Ok(self.single(Token::BracketOpen)),
            (b']', Brackets::Tokens) => return Ok(self.single(Token::BracketClose)),
            (b'"', _) => return self.quoted(),
            (b'{', _) => return self.literal(false),
            (b'~', _) => {
                self.take_byte();
                if self.peek_byte()? == b'{' {
                    return self.literal(true);
                }
                if brackets == Brackets::Tokens {
                    return Err(Error::Syntax);
                }
                text.push(first);
            }
            // A backslash may begin an atom (a flag), nowhere else.
            (b'\\', _) => {
                self.take_byte();
                text.push(first);
            }
            _ => {}
        }
        loop {
            // As much as is there at once.
            let run = self.unread().iter().take_while(|b| is_atom_byte(**b, brackets)).count();
            if self.line.bytes.saturating_add(run) > MAX_COMMAND {
                return Err(Error::Syntax);
            }
            text.extend_from_slice(self.unread().get(..run).unwrap_or_default());
            self.take_bytes(run);
            if !is_atom_byte(self.peek_byte()?, brackets) {
                break;
            }
        }
        if text.is_empty() { Err(Error::Syntax) } else { Ok(Token::Atom(text)) }
    }

    fn single(&mut self, token: Token) -> Token {
        self.take_byte();
        token
    }

    /// `quoted`: a backslash makes the next octet plain, whatever it is (Courier); 8-bit text must
    /// be UTF-8.
    fn quoted(&mut self) -> Result<Token> {
        self.take_byte();
        let mut text = Vec::new();
        loop {
            let b = match self.peek_byte()? {
                b'"' => {
                    self.take_byte();
                    break;
                }
                b'\r' | b'\n' => return Err(Error::Syntax),
                b'\\' => {
                    self.take_byte();
                    match self.peek_byte()? {
                        b'\r' | b'\n' => return Err(Error::Syntax),
                        b => b,
                    }
                }
                b => b,
            };
            self.take_byte();
            if text.len() >= MAX_STRING {
                return Err(Error::Syntax);
            }
            text.push(b);
        }
        if std::str::from_utf8(&text).is_err() {
            return Err(Error::Syntax);
        }
        Ok(Token::Quoted(text))
    }

    /// `literal`: `{n}`, `{n+}` and the line break; the octets stay where they are.
    fn literal(&mut self, literal8: bool) -> Result<Token> {
        self.take_byte();
        loop {
            let next = self.peek_byte()?;
            if next == b'{' || (next == b'\n' && !self.line.head.is_closed()) {
                return Err(Error::Syntax);
            }
            self.take_byte();
            if let Some(literal) = &mut self.line.literal {
                literal.literal8 = literal8;
                // A length past 64 bits: refused, and skipped for as long as it comes.
                return if literal.length == u64::MAX {
                    Err(Error::Syntax)
                } else {
                    Ok(Token::Literal(*literal))
                };
            }
            if self.line.head == Head::None {
                return Err(Error::Syntax);
            }
        }
    }

    /// Lets the literal come whose head was the last token: sends the continuation if the client
    /// waits for it.
    pub(crate) fn accept_literal(&mut self) -> Result<Literal> {
        let literal = self.line.literal.take().ok_or(Error::Syntax)?;
        if literal.synchronising {
            self.out.extend_from_slice(b"+ OK\r\n");
        }
        Ok(literal)
    }

    /// Hands the next octets of an accepted literal to `sink` in pieces, `left` octets in all. A
    /// client that sends nothing for a minute is gone (PROTOCOL 1.7).
    pub(crate) fn literal_bytes(
        &mut self,
        mut left: u64,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<()> {
        while left > 0 {
            if self.unread().is_empty() {
                let deadline = clock::monotonic() + STALL;
                self.fill(Some(deadline))?;
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let piece = self.unread();
            let piece = piece.get(..most.min(piece.len())).unwrap_or_default();
            let n = piece.len();
            sink(piece);
            self.at = self.at.saturating_add(n);
            left = left.saturating_sub(n as u64);
        }
        Ok(())
    }

    /// The text of an atom, a quoted string or a literal (`astring`); anything else is a syntax
    /// error.
    pub(crate) fn text_of(&mut self, token: Token) -> Result<Vec<u8>> {
        match token {
            Token::Atom(text) | Token::Quoted(text) => Ok(text),
            Token::Literal(_) => self.literal_string(),
            _ => Err(Error::Syntax),
        }
    }

    /// The octets of a short literal, all of them.
    fn literal_string(&mut self) -> Result<Vec<u8>> {
        let length = self.line.literal.map_or(0, |l| l.length);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_STRING || self.line.bytes.saturating_add(length) > MAX_COMMAND {
            return Err(Error::Syntax);
        }
        let literal = self.accept_literal()?;
        self.line.bytes = self.line.bytes.saturating_add(length);
        let mut text = Vec::with_capacity(length);
        self.literal_bytes(literal.length, |piece| text.extend_from_slice(piece))?;
        Ok(text)
    }

    /// `astring` (with `NIL` among the atoms, and with brackets in them).
    pub(crate) fn astring(&mut self) -> Result<Vec<u8>> {
        let token = self.token_as(Brackets::Text)?;
        self.text_of(token)
    }

    /// The end of the line, and nothing before it.
    pub(crate) fn end_of_line(&mut self) -> Result<()> {
        if self.token()? == Token::Eol { Ok(()) } else { Err(Error::Syntax) }
    }

    /// Throws the rest of the line away, and with it every non-synchronising literal in it: those
    /// octets are on their way and are never commands. A synchronising literal at its end was
    /// refused and does not come.
    pub(crate) fn skip_line(&mut self) -> Result<()> {
        self.line.back = None;
        loop {
            if let Some(literal) = self.line.literal.take() {
                if literal.synchronising {
                    self.line.ended = true;
                } else {
                    self.literal_bytes(literal.length, |_| {})?;
                }
            }
            if self.line.ended {
                return Ok(());
            }
            self.skip_to_lf()?;
            self.line.ended = self.line.literal.is_none();
        }
    }

    /// Skips to and past the next LF, which may be the end of a literal's head.
    fn skip_to_lf(&mut self) -> Result<()> {
        loop {
            if self.unread().is_empty() {
                self.fill(self.deadline)?;
            }
            let lf = memchr::memchr(b'\n', self.unread());
            self.take_bytes(lf.map_or(self.unread().len(), |at| at + 1));
            if lf.is_some() {
                return Ok(());
            }
        }
    }

    /// The end of the line after a handler is done with it: what was not read of it is thrown away.
    pub(crate) fn finish_line(&mut self) -> Result<()> {
        if self.line.ended && self.line.literal.is_none() { Ok(()) } else { self.skip_line() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
