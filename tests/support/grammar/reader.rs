//! The words of the grammar: numbers, atoms, strings, lists.

/// What a response breaks.
#[derive(Debug)]
pub(super) struct Fault {
    pub rule: String,
    /// In bytes from the start of the response.
    pub at: usize,
}

pub(super) type Rule<T = ()> = Result<T, Fault>;

/// A place in a response.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    utf8: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], utf8: bool) -> Self {
        Self { bytes, at: 0, utf8 }
    }

    pub fn fault<T>(&self, rule: &str) -> Rule<T> {
        Err(Fault { rule: rule.to_owned(), at: self.at })
    }

    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub fn end(&self) -> Rule {
        if self.rest().is_empty() { Ok(()) } else { self.fault("the end") }
    }

    /// Goes over `text` where it stands here.
    pub fn has(&mut self, text: &[u8]) -> bool {
        let stands = self.rest().starts_with(text);
        if stands {
            self.at += text.len();
        }
        stands
    }

    pub fn wants(&mut self, text: &str) -> Rule {
        if self.has(text.as_bytes()) { Ok(()) } else { self.fault(&format!("`{text}`")) }
    }

    pub fn sp(&mut self) -> Rule {
        self.wants(" ")
    }

    /// One of these words, and not only the beginning of a longer one.
    pub fn one_of(&mut self, words: &[&'static str]) -> Rule<&'static str> {
        let here = self.at;
        let word = self.word();
        match words.iter().find(|w| **w == word) {
            Some(found) => Ok(found),
            None => {
                self.at = here;
                self.fault(&words.join(" or "))
            }
        }
    }

    /// Capital letters, digits and what else stands in names of responses and items; may be empty.
    pub fn word(&mut self) -> &'a str {
        let is_part = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-.".contains(b);
        let length = self.rest().iter().take_while(|b| is_part(b)).count();
        let word = &self.rest()[..length];
        self.at += length;
        str::from_utf8(word).unwrap_or_default()
    }

    /// The bytes up to the first that `is_part` refuses: at least one.
    fn run(&mut self, rule: &str, is_part: impl Fn(u8) -> bool) -> Rule<&'a [u8]> {
        let length = self.rest().iter().take_while(|b| is_part(**b)).count();
        let run = &self.rest()[..length];
        if run.is_empty() {
            return self.fault(rule);
        }
        self.at += length;
        Ok(run)
    }

    pub fn is_digit(&self) -> bool {
        self.rest().first().is_some_and(u8::is_ascii_digit)
    }

    /// A number as the client gave it, which may be beyond all limits.
    pub fn echoed_number(&mut self) -> Rule {
        self.run("a number", |b| b.is_ascii_digit()).map(drop)
    }

    /// `number64`; without needless zeros, which strict parsers refuse.
    pub fn number(&mut self) -> Rule<u64> {
        let here = self.at;
        let digits = self.run("a number", |b| b.is_ascii_digit())?;
        let number = str::from_utf8(digits).ok().and_then(|d| d.parse::<u64>().ok());
        match number.filter(|n| *n < 1 << 63 && n.to_string().len() == digits.len()) {
            Some(number) => Ok(number),
            None => {
                self.at = here;
                self.fault("a number below 2^63 without zeros before it")
            }
        }
    }

    /// `nz-number`
    pub fn nz_number(&mut self) -> Rule<u32> {
        let here = self.at;
        let number = u32::try_from(self.number()?).ok().filter(|n| *n > 0);
        number.ok_or(()).or_else(|()| {
            self.at = here;
            self.fault("a number from 1 to 4,294,967,295")
        })
    }

    /// `mod-sequence-value` (RFC 7162 7): from 1 to 2^63 - 1.
    pub fn mod_sequence(&mut self) -> Rule {
        if self.number()? > 0 { Ok(()) } else { self.fault("a modification sequence above 0") }
    }

    /// `sequence-set`, with no `*`, which no server says.
    pub fn set(&mut self) -> Rule {
        loop {
            self.nz_number()?;
            if self.has(b":") {
                self.nz_number()?;
            }
            if !self.has(b",") {
                return Ok(());
            }
        }
    }

    /// A tag. It is the client's own, whatever stood in it.
    pub fn tag(&mut self) -> Rule {
        self.run("a tag", |b| !matches!(b, b' ' | 0 | b'\r' | b'\n')).map(drop)
    }

    /// `1*<any TEXT-CHAR except "]">`
    pub fn code_text(&mut self) -> Rule {
        self.run("text without `]`", |b| !matches!(b, b']' | 0 | b'\r' | b'\n')).map(drop)
    }

    pub fn atom(&mut self) -> Rule<&'a [u8]> {
        self.run("an atom", is_atom_char)
    }

    /// `flag-fetch / flag-perm`
    pub fn flag(&mut self, is_permanent: bool) -> Rule {
        if self.has(b"\\") && is_permanent && self.has(b"*") {
            return Ok(());
        }
        self.atom().map(drop)
    }

    pub fn nil(&mut self) -> bool {
        self.has(b"NIL")
    }

    pub fn is_string(&self) -> bool {
        matches!(self.rest().first(), Some(b'"' | b'{'))
    }

    /// `quoted / literal`; its value, escapes taken out.
    pub fn string(&mut self) -> Rule<Vec<u8>> {
        if self.has(b"\"") { self.rest_of_quoted() } else { self.literal() }
    }

    fn rest_of_quoted(&mut self) -> Rule<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            let Some((&byte, _)) = self.rest().split_first() else {
                return self.fault("the closing quote");
            };
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let escaped = self.rest().first().copied();
                    let Some(escaped) = escaped.filter(|b| b"\"\\".contains(b)) else {
                        return self.fault("`\"` or `\\` behind the backslash");
                    };
                    value.push(escaped);
                    self.at += 1;
                }
                0 | b'\r' | b'\n' => return self.fault("no NUL, CR, LF in quotes"),
                0x80.. if !self.utf8 => return self.fault("no 8-bit byte in quotes"),
                _ => value.push(byte),
            }
        }
        match str::from_utf8(&value) {
            Ok(_) => Ok(value),
            Err(_) => self.fault("UTF-8 in quotes"),
        }
    }

    /// `literal`: no NUL in it.
    fn literal(&mut self) -> Rule<Vec<u8>> {
        self.wants("{")?;
        let value = self.rest_of_literal()?;
        if value.contains(&0) { self.fault("no NUL in a literal") } else { Ok(value.to_vec()) }
    }

    fn rest_of_literal(&mut self) -> Rule<&'a [u8]> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.wants("}\r\n")?;
        let Some(value) = self.rest().get(..length) else {
            return self.fault("as many bytes as the literal says");
        };
        self.at += length;
        Ok(value)
    }

    /// `nstring`
    pub fn nstring(&mut self) -> Rule {
        if self.nil() { Ok(()) } else { self.string().map(drop) }
    }

    /// `nstring / literal8`
    pub fn nstring8(&mut self) -> Rule {
        if self.has(b"~{") { self.rest_of_literal().map(drop) } else { self.nstring() }
    }

    pub fn astring(&mut self) -> Rule<Vec<u8>> {
        if self.is_string() {
            return self.string();
        }
        self.run("an astring", is_astring_char).map(<[u8]>::to_vec)
    }

    /// `mailbox`: with UTF8=ACCEPT any UTF-8 (RFC 9755 3), else 7-bit in whatever form.
    pub fn mailbox(&mut self) -> Rule {
        let name = self.astring()?;
        if !self.utf8 && !name.is_ascii() {
            return self.fault("a name in modified UTF-7");
        }
        if name.is_empty() { self.fault("a name") } else { Ok(()) }
    }

    /// `"(" [item *(SP item)] ")"`, at least so many.
    pub fn list(&mut self, least: usize, item: impl Fn(&mut Self) -> Rule) -> Rule {
        self.wants("(")?;
        let mut count = 0;
        while !self.has(b")") {
            if count > 0 {
                self.sp()?;
            }
            item(self)?;
            count += 1;
        }
        if count < least { self.fault(&format!("at least {least} in the list")) } else { Ok(()) }
    }

    /// `text`, up to the end: at least one character, no NUL, CR, LF. UTF-8 where it is not ASCII.
    pub fn text(&mut self) -> Rule {
        let text = self.rest();
        let is_odd = |b: &u8| matches!(b, 0 | b'\r' | b'\n');
        if text.is_empty() || text.iter().any(is_odd) || str::from_utf8(text).is_err() {
            return self.fault("text");
        }
        self.at = self.bytes.len();
        Ok(())
    }
}

fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}
