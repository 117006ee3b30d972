//! What a command line is made of (PROTOCOL 1.2).

use crate::types::number;

/// One token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    BracketOpen,
    /// `]`
    BracketClose,
    /// An atom, a number, a flag or a message set, as written. `NIL` is an atom too (RFC
    /// 3501 9: it is an astring).
    Atom(Vec<u8>),
    /// The content of a quoted string.
    Quoted(Vec<u8>),
    /// The head of a literal; its bytes are still to be read.
    Literal(Literal),
    /// The end of the line.
    Eol,
}

/// The head of a literal: `{n}`, `{n+}` (RFC 7888), `~{n}` (RFC 3516).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Literal {
    /// How many bytes follow.
    pub(crate) length: u64,
    /// Whether the client waits for a continuation before it sends them.
    pub(crate) synchronising: bool,
    /// Whether it was written `~{n}` (`literal8`).
    pub(crate) literal8: bool,
}

impl Token {
    /// The atom's text in upper case; `None` for anything else. Command words and their kin are
    /// compared this way.
    pub(crate) fn word(&self) -> Option<Vec<u8>> {
        match self {
            Token::Atom(text) => Some(text.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Whether it is an atom equal to `word` without regard to case.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Token::Atom(text) if text.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The value of an atom made of digits.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Token::Atom(text) => number::digits(text),
            _ => None,
        }
    }

    /// The line of the trace (STORAGE 10.4).
    pub(crate) fn traced(&self) -> Vec<u8> {
        let with = |kind: &str, text: &[u8]| [kind.as_bytes(), b": ", text].concat();
        match self {
            Token::Open => b"LPAREN".to_vec(),
            Token::Close => b"RPAREN".to_vec(),
            Token::BracketOpen => b"LBRACKET".to_vec(),
            Token::BracketClose => b"RBRACKET".to_vec(),
            Token::Atom(text) if text == b"NIL" => b"NIL".to_vec(),
            Token::Atom(text) if number::digits(text).is_some() => with("NUMBER", text),
            Token::Atom(text) => with("ATOM", text),
            Token::Quoted(text) => with("QUOTED_STRING", text),
            Token::Literal(literal) => {
                let mark = if literal.literal8 { "~" } else { "" };
                let plus = if literal.synchronising { "" } else { "+" };
                format!("{mark}{{{}{plus}}}", literal.length).into_bytes()
            }
            Token::Eol => b"EOL".to_vec(),
        }
    }
}
