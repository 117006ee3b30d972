//! The tokenizer (PROTOCOL 1). Parsers pull one token at a time, and a line is split only as far as
//! they have pulled: a continuation is sent exactly when a parser accepts a literal, so every check
//! that must precede it can.

use super::error::{Error, Result};
use super::head::Head;
use super::io::{Io, Line};
use super::output::STALL;
use super::token::{Literal, Token};
use crate::sys::clock;
use crate::types::limits::{MAX_COMMAND, MAX_STRING};

/// How `[`, `]`, `~` and `}` are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Brackets {
    /// The brackets are tokens; `~` begins a literal8, and `}` is an error.
    Tokens,
    /// All but `]` belong to atoms: for flags (RFC 3501 9, `ATOM-CHAR`; Courier reads them as
    /// [`Brackets::Tokens`]).
    Flags,
    /// All belong to atoms: for an astring (RFC 3501 9, `ASTRING-CHAR`; Courier takes the brackets
    /// only, and those in SEARCH only) and for a tag.
    Text,
}

/// Whether a byte belongs to an atom. Courier: everything but blanks, controls, 8-bit and
/// `\ " ( ) ~ { } [ ]`.
fn is_atom_byte(b: u8, brackets: Brackets) -> bool {
    match b {
        b'[' | b'~' | b'}' => brackets != Brackets::Tokens,
        b']' => brackets == Brackets::Text,
        b'\\' | b'"' | b'(' | b')' | b'{' => false,
        _ => b.is_ascii_graphic(),
    }
}

impl Io {
    /// Starts the next line.
    pub(crate) fn begin_line(&mut self) {
        self.line = Line::default();
        self.set_answering(false);
    }

    /// Waits for the next byte and does not take it.
    fn peek_byte(&mut self) -> Result<u8> {
        loop {
            if let Some(b) = self.unread().first() {
                return Ok(*b);
            }
            self.fill(self.deadline)?;
        }
    }

    /// Takes the byte that was peeked at.
    fn take_byte(&mut self) {
        self.take_bytes(1);
    }

    /// Takes bytes of the current line that have been received. If they complete the head of a
    /// literal, `line.literal` is set.
    fn take_bytes(&mut self, count: usize) {
        let literal = self
            .buffer
            .get(self.at..self.at.saturating_add(count))
            .and_then(|bytes| self.line.head.take_all(bytes));
        self.line.literal = literal.or(self.line.literal);
        self.at = self.at.saturating_add(count);
        self.line.bytes = self.line.bytes.saturating_add(count);
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Result<Token> {
        self.token_as(Brackets::Tokens)
    }

    /// The next token, its brackets read as `brackets` says.
    pub(crate) fn token_as(&mut self, brackets: Brackets) -> Result<Token> {
        if let Some(token) = self.line.peeked.take() {
            return Ok(token);
        }
        let token = self.lex(brackets);
        if let Some(trace) = &mut self.output.borrow_mut().trace
            && !matches!(token, Err(Error::End(_)))
        {
            let text = token.as_ref().map_or_else(|_| b"ERROR".to_vec(), Token::traced);
            trace(&[b"READ: ", &*text, b"\n"].concat());
        }
        token
    }

    /// The next token, which is not taken.
    pub(crate) fn peek(&mut self) -> Result<&Token> {
        let token = self.token()?;
        Ok(self.line.peeked.insert(token))
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
                    // It ends a literal's head whose beginning was a syntax error.
                    return Err(Error::Syntax);
                }
                self.end_line();
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
            // A backslash may only be the first byte of an atom: a flag.
            (b'\\', _) => {
                self.take_byte();
                text.push(first);
            }
            _ => {}
        }
        loop {
            // All that has been received of it.
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

    /// `quoted`. A backslash may precede any character (Courier); 8-bit text must be UTF-8.
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
            self.line.ill_formed = true;
            return Err(Error::Syntax);
        }
        Ok(Token::Quoted(text))
    }

    /// The head of a `literal`: `{n}` or `{n+}` and the line break.
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
                // A length past 64 bits is refused; the literal has no end, so all input is
                // skipped.
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

    /// Whether the syntax error of this line is a quoted string that is not UTF-8.
    pub(crate) fn is_ill_formed(&self) -> bool {
        self.line.ill_formed
    }

    /// Accepts the literal whose head was the last token: sends the continuation if the client
    /// waits for it.
    pub(crate) fn accept_literal(&mut self) -> Result<Literal> {
        let literal = self.line.literal.take().ok_or(Error::Syntax)?;
        if literal.synchronising {
            self.out().extend_from_slice(b"+ OK\r\n");
        }
        Ok(literal)
    }

    /// Hands the next `left` bytes of an accepted literal to `sink`, in chunks. Errors: `Inactive`
    /// if the client sends nothing for a minute (PROTOCOL 1.7).
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
            let chunk = self.unread();
            let n = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(chunk.get(..n).unwrap_or_default());
            self.at = self.at.saturating_add(n);
            left = left.saturating_sub(n as u64);
        }
        // The rest of the line is not late because the literal took long.
        let patience = clock::monotonic() + STALL;
        self.deadline = self.deadline.map(|deadline| deadline.max(patience));
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

    /// The text of a literal that is no longer than a string may be.
    fn literal_string(&mut self) -> Result<Vec<u8>> {
        let literal = self.line.literal.ok_or(Error::Syntax)?;
        let length = usize::try_from(literal.length).unwrap_or(usize::MAX);
        if length > MAX_STRING || self.line.bytes.saturating_add(length) > MAX_COMMAND {
            return Err(Error::Syntax);
        }
        self.accept_literal()?;
        self.line.bytes = self.line.bytes.saturating_add(length);
        let mut text = Vec::with_capacity(length);
        self.literal_bytes(literal.length, |chunk| text.extend_from_slice(chunk))?;
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

    /// Skips the rest of the line with every non-synchronising literal in it: the client sends
    /// their bytes in any case, and they must not be taken for commands. A synchronising literal
    /// ends the line: it was refused, so the client does not send it.
    pub(crate) fn skip_line(&mut self) -> Result<()> {
        self.line.peeked = None;
        loop {
            if let Some(literal) = self.line.literal.take() {
                if literal.synchronising {
                    self.end_line();
                } else {
                    self.literal_bytes(literal.length, |_| {})?;
                }
            }
            if self.line.ended {
                return Ok(());
            }
            self.skip_to_lf()?;
            if self.line.literal.is_none() {
                self.end_line();
            }
        }
    }

    /// Notes that the line is over.
    fn end_line(&mut self) {
        self.line.ended = true;
        self.set_answering(true);
    }

    /// Skips past the next LF, which may end a literal's head.
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

    /// Skips what a handler has not read of its line.
    pub(crate) fn finish_line(&mut self) -> Result<()> {
        if self.line.ended && self.line.literal.is_none() { Ok(()) } else { self.skip_line() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
