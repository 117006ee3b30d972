//! Structured MIME values: `type/subtype; name=value`, with comments and quoted strings (RFC 2045
//! 5.1).
//!
//! Real mail breaks the grammar in a handful of well-known ways, all accepted here: blanks around
//! `/` and `=`, a missing semicolon, unquoted values with blanks or special characters, quotes and
//! comments that never end.

use super::decode::hex;
use crate::types::limits::MAX_PARAMS;

/// One parameter, the name in lower case, the value without its quotes and comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    /// Lower-case name, RFC 2231 marks (`name*0*`) included.
    pub(crate) name: Vec<u8>,
    /// The value as written.
    pub(crate) value: Vec<u8>,
}

/// Without NULs, which the wire cannot carry (RFC 3501 9, CHAR8): what is judged is what is written.
fn without_nuls(mut text: Vec<u8>) -> Vec<u8> {
    text.retain(|b| *b != 0);
    text
}

/// Without line breaks, and without blanks at either end.
pub(crate) fn one_line(text: &[u8]) -> Vec<u8> {
    text.trim_ascii().iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()
}

/// Blank, tab, CR or LF: white space between tokens.
pub(crate) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// A reader over a structured header value.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
    /// A comment was found that never ends: from here on `(` is an ordinary character.
    no_comments: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Lexer { rest: value, no_comments: false }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Continues at `rest`, which must be an end of the value.
    pub(crate) fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// At a `(`: passes over the comment and returns its text without the outer parentheses, quoted
    /// pairs resolved. None, and nothing consumed, if it never ends (RFC 5322 3.2.2).
    pub(crate) fn comment(&mut self) -> Option<Vec<u8>> {
        if self.no_comments || self.peek() != Some(b'(') {
            return None;
        }
        let mut depth = 0u32;
        let mut text = Vec::new();
        let mut scan = self.clone();
        while let Some(b) = scan.bump() {
            match b {
                b'(' => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        *self = scan;
                        return Some(text);
                    }
                }
                b'\\' => {
                    if let Some(next) = scan.bump() {
                        text.push(next);
                    }
                    continue;
                }
                _ => {}
            }
            text.push(b);
        }
        self.no_comments = true;
        None
    }

    /// Passes over blanks, line breaks and comments.
    pub(crate) fn skip_cfws(&mut self) {
        while let Some(b) = self.peek() {
            if is_space(b) {
                self.bump();
            } else if b != b'(' || self.comment().is_none() {
                return;
            }
        }
    }

    /// After an opening quote: appends the string to `out`, quoted pairs resolved, up to the
    /// closing quote or, when that is missing, to the end.
    pub(crate) fn quoted(&mut self, out: &mut Vec<u8>) {
        while let Some(b) = self.bump() {
            match b {
                b'"' => return,
                b'\\' => out.extend(self.bump()),
                b'\r' | b'\n' => {}
                _ => out.push(b),
            }
        }
    }

    /// Bytes up to white space, `(` or one of `stops`.
    fn token(&mut self, stops: &[u8]) -> &'a [u8] {
        let len = self
            .rest
            .iter()
            .position(|b| is_space(*b) || (*b == b'(' && !self.no_comments) || stops.contains(b))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        token
    }

    /// A parameter's value, up to `;` or the end. As Courier, blanks within an unquoted value are
    /// dropped (`name=a b.pdf` is `ab.pdf`), unless what follows is plainly the next parameter.
    fn value(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let before = self.rest.len();
            self.skip_cfws();
            match self.peek() {
                None | Some(b';') => return out,
                Some(b'"') => {
                    self.bump();
                    self.quoted(&mut out);
                }
                Some(_) => {
                    if before != self.rest.len() && !out.is_empty() {
                        let mut ahead = self.clone();
                        let name = ahead.token(b"=;\"");
                        if !name.is_empty() && ahead.peek() == Some(b'=') {
                            return out;
                        }
                    }
                    let token = self.token(b";\"");
                    out.extend_from_slice(token);
                    // `(` that starts no comment.
                    if token.is_empty() && self.comment().is_none() {
                        out.extend(self.bump());
                    }
                }
            }
        }
    }

    /// The parameters after the main value.
    pub(crate) fn params(&mut self) -> Vec<Param> {
        let mut list = Vec::new();
        self.each_param(|name, value, _| {
            list.push(Param { name, value: without_nuls(value) });
        });
        list
    }

    /// Calls `each` with the name of a parameter in lower case, its value, and the value as it is
    /// written; for the first [`MAX_PARAMS`] of them. Passes over a main value.
    pub(crate) fn each_param(&mut self, mut each: impl FnMut(Vec<u8>, Vec<u8>, &'a [u8])) {
        let mut count = 0;
        loop {
            self.skip_cfws();
            match self.peek() {
                None => return,
                Some(b';' | b',' | b'"' | b'=' | b'/') => {
                    self.bump();
                    continue;
                }
                Some(_) => {}
            }
            let name = without_nuls(self.token(b"=;\"").to_ascii_lowercase());
            if name.is_empty() {
                self.bump();
                continue;
            }
            self.skip_cfws();
            if self.peek() != Some(b'=') {
                continue;
            }
            self.bump();
            let before = self.rest;
            let value = self.value();
            if count < MAX_PARAMS {
                count += 1;
                let written = before.len().saturating_sub(self.rest.len());
                each(name, value, before.get(..written).unwrap_or_default());
            }
        }
    }

    /// A token or quoted string in lower case: a media type, a disposition, an encoding.
    pub(crate) fn word(&mut self, stops: &[u8]) -> Vec<u8> {
        self.skip_cfws();
        let mut out = Vec::new();
        if self.peek() == Some(b'"') {
            self.bump();
            self.quoted(&mut out);
        } else {
            out.extend_from_slice(self.token(stops));
        }
        out.make_ascii_lowercase();
        without_nuls(out)
    }
}

/// A media type: type and subtype, in lower case, both not empty.
pub(crate) type MediaType = (Vec<u8>, Vec<u8>);

/// A Content-Type value: the media type, None when it names none (RFC 2045 5.2: then the default
/// applies), and the parameters. Names and the value of `charset` come in lower case.
pub(crate) fn content_type(value: &[u8]) -> (Option<MediaType>, Vec<Param>) {
    let mut lex = Lexer::new(value);
    let mut kind = lex.word(b"/;,=\"");
    let mut subtype = Vec::new();
    if let Some(slash) = memchr::memchr(b'/', &kind) {
        // `"text/plain"` in quotes.
        subtype = kind.split_off(slash);
        subtype.remove(0);
    } else {
        lex.skip_cfws();
        match lex.peek() {
            Some(b'/') => {
                lex.bump();
                subtype = lex.word(b"/;,=\"");
            }
            Some(b'=') => {
                // `name=x.pdf`: a parameter, and no type.
                kind.clear();
                lex = Lexer::new(value);
            }
            _ => {}
        }
    }
    let mut params = lex.params();
    for p in &mut params {
        if p.name == b"charset" {
            p.value.make_ascii_lowercase();
        }
    }
    (media_type(kind, subtype), params)
}

/// Completes a type that comes without a subtype. RFC 2045 5.2 makes it text/plain, so that the
/// user sees all there is; where that is surely not text, RFC 2046 5.1.3 (mixed) and 4.5
/// (octet-stream) have the default.
fn media_type(kind: Vec<u8>, subtype: Vec<u8>) -> Option<MediaType> {
    if kind.is_empty() || !subtype.is_empty() {
        return (!kind.is_empty()).then_some((kind, subtype));
    }
    let (kind, subtype): (&[u8], &[u8]) = match kind.as_slice() {
        b"multipart" => (b"multipart", b"mixed"),
        b"application" | b"image" | b"audio" | b"video" | b"font" | b"model" => {
            (b"application", b"octet-stream")
        }
        _ => (b"text", b"plain"),
    };
    Some((kind.to_vec(), subtype.to_vec()))
}

/// The value of a parameter in the forms of RFC 2231: `name*0=a; name*1=b`, `name*=us-ascii''a%20b`,
/// `name*0*=...`. Bytes: the charset is passed over. None when there is none.
pub(crate) fn extended(params: &[Param], name: &[u8]) -> Option<Vec<u8>> {
    let mut sections: Vec<(u32, bool, &[u8])> = Vec::new();
    for param in params {
        let Some(mark) = param.name.strip_prefix(name).and_then(|m| m.strip_prefix(b"*")) else {
            continue;
        };
        let (number, encoded) = match mark.strip_suffix(b"*") {
            Some(number) => (number, true),
            None => (mark, mark.is_empty()),
        };
        if number.is_empty() {
            sections.push((0, encoded, &param.value));
        } else if let Some(n) = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()) {
            sections.push((n, encoded, &param.value));
        }
    }
    sections.sort_by_key(|(n, ..)| *n);
    sections.dedup_by_key(|(n, ..)| *n);
    let mut out = Vec::new();
    for (want, (n, encoded, value)) in (0..).zip(&sections) {
        if *n != want {
            break;
        }
        let mut value = *value;
        if *encoded && want == 0 {
            // charset'language'text
            let mut quotes = memchr::memchr_iter(b'\'', value);
            if let (Some(_), Some(second)) = (quotes.next(), quotes.next()) {
                value = value.get(second + 1..).unwrap_or_default();
            }
        }
        if *encoded {
            percent_decode(value, &mut out);
        } else {
            out.extend_from_slice(value);
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Appends the text with its `%20` resolved; a `%` without two hexadecimal digits stays.
fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let digit = |b: Option<&u8>| b.and_then(|b| hex(*b));
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(*first),
        }
    }
}

/// A Content-Disposition value (RFC 2183): the lower-case kind, perhaps empty, and the parameters.
/// None when there is neither.
pub(crate) fn disposition(value: &[u8]) -> Option<(Vec<u8>, Vec<Param>)> {
    let mut lex = Lexer::new(value);
    let kind = lex.word(b";=\"");
    let params = lex.params();
    (!kind.is_empty() || !params.is_empty()).then_some((kind, params))
}

/// The first token of a value in lower case, comments dropped: a Content-Transfer-Encoding. None
/// when empty.
pub(crate) fn first_token(value: &[u8]) -> Option<Vec<u8>> {
    let word = Lexer::new(value).word(b";\"");
    (!word.is_empty()).then_some(word)
}

/// A Content-ID with its angle brackets, which are added if absent; comments dropped. None when
/// empty.
pub(crate) fn content_id(value: &[u8]) -> Option<Vec<u8>> {
    let mut lex = Lexer::new(value);
    lex.skip_cfws();
    let id: Vec<u8> = if lex.peek() == Some(b'<') {
        let rest = lex.rest();
        let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        rest.get(1..end).unwrap_or_default().to_vec()
    } else {
        lex.token(b"<>").to_vec()
    };
    let id: Vec<u8> = id.into_iter().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    if id.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(id.len() + 2);
    out.push(b'<');
    out.extend_from_slice(&id);
    out.push(b'>');
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn show(v: &str) -> String {
        let (kind, params) = content_type(v.as_bytes());
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let mut out = kind.map_or("-".to_owned(), |(t, s)| format!("{}/{}", text(&t), text(&s)));
        for q in params {
            out += &format!(" [{}={}]", text(&q.name), text(&q.value));
        }
        out
    }

    #[test]
    fn content_types() {
        for (value, want) in [
            (" text/plain; charset=US-ASCII\n", "text/plain [charset=us-ascii]"),
            ("TEXT/Html; Name=\"A b\"", "text/html [name=A b]"),
            // RFC 2045 5.2: what is no type is text/plain, and shown.
            ("foo", "text/plain"),
            ("text", "text/plain"),
            ("text; charset=UTF-8", "text/plain [charset=utf-8]"),
            ("text/; charset=UTF-8", "text/plain [charset=utf-8]"),
            ("message", "text/plain"),
            ("multipart; boundary=b", "multipart/mixed [boundary=b]"),
            ("image; name=a.png", "application/octet-stream [name=a.png]"),
            ("application/", "application/octet-stream"),
            ("", "-"),
            ("name=a.pdf; x=y", "- [name=a.pdf] [x=y]"),
            ("; name=a.pdf", "- [name=a.pdf]"),
            // NULs never reach the wire.
            ("message/rfc822\0; na\0me=\"a\0b\"", "message/rfc822 [name=ab]"),
            ("\0", "-"),
            ("\"message\0/rfc822\"", "message/rfc822"),
            ("/plain", "-"),
            ("text / plain ; a = b", "text/plain [a=b]"),
            ("text/plain;; ; a=b;", "text/plain [a=b]"),
            ("text/plain charset=UTF-8", "text/plain [charset=utf-8]"),
            ("text/plain, foo; a=b", "text/plain [a=b]"),
            ("\"text/plain\"; a=b", "text/plain [a=b]"),
            (
                "text/plain; charset=us-ascii (Plain (x) text); a=(c)b",
                "text/plain [charset=us-ascii] [a=b]",
            ),
            ("(c) text (d) / (e) plain (f)", "text/plain"),
            ("text/plain; name=foo bar.pdf; x=1", "text/plain [name=foobar.pdf] [x=1]"),
            (
                "text/plain; charset=utf-8 format=flowed",
                "text/plain [charset=utf-8] [format=flowed]",
            ),
            ("text/plain; boundary=a=b/c:d?e; x", "text/plain [boundary=a=b/c:d?e]"),
            ("text/plain; name=\"unclosed; x=y\n", "text/plain [name=unclosed; x=y]"),
            ("text/plain; name=\"a\"b\"c\"", "text/plain [name=abc]"),
            ("text/plain; a=; b=\"\"", "text/plain [a=] [b=]"),
            (r#"text/plain; a="a\"b\\c""#, r#"text/plain [a=a"b\c]"#),
            ("text/plain; name=\"a\r\n b\"", "text/plain [name=a b]"),
            ("text/plain; name*0=\"ab\"; name*1*=c%20", "text/plain [name*0=ab] [name*1*=c%20]"),
            ("text/plain; name=foo(1.pdf; x=y", "text/plain [name=foo(1.pdf] [x=y]"),
            ("text/plain; name=a((((( x=y", "text/plain [name=a(((((] [x=y]"),
        ] {
            assert_eq!(show(value), want, "{value:?}");
        }
    }

    #[test]
    fn extended_values() {
        for (value, want) in [
            ("x; b*=us-ascii'en'a%20b", Some("a b")),
            ("x; b*=a%20b", Some("a b")),
            ("x; b*0=a%20; b*1=b", Some("a%20b")),
            ("x; b*1*=%62%; b*0*=utf-8''%61", Some("ab%")),
            ("x; b*0=a; b*2=c", Some("a")),
            ("x; b*1=a", None),
            ("x; b*00=a; b*x=c; b*99999999999=d", Some("a")),
            ("x; b=a; bb*=c", None),
        ] {
            let found = extended(&content_type(value.as_bytes()).1, b"b");
            assert_eq!(found, want.map(|w| w.as_bytes().to_vec()), "{value:?}");
        }
    }

    #[test]
    fn small_values() {
        assert_eq!(first_token(b" Quoted-Printable (x)\n"), Some(b"quoted-printable".to_vec()));
        assert_eq!(first_token(b"\"Base64\""), Some(b"base64".to_vec()));
        assert_eq!(first_token(b" \n"), None);
        assert_eq!(content_id(b" <a@b> junk"), Some(b"<a@b>".to_vec()));
        assert_eq!(content_id(b"abc def"), Some(b"<abc>".to_vec()));
        assert_eq!(content_id(b"  "), None);
        assert_eq!(first_token(b"ba\0se64"), Some(b"base64".to_vec()));
        assert_eq!(disposition(b";filename=x").unwrap().1.len(), 1);
        assert_eq!(disposition(b" "), None);
    }
}
