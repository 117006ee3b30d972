//! The differences that postrider-courier(7) declares, recognised by what differs and by the message
//! itself. Anything else is a finding.

use crate::server::Value;

/// One place where two answers differ.
pub struct Difference<'a> {
    /// The item that was asked for: `ENVELOPE`, `BODY[1]`, ...
    pub item: &'a str,
    /// What Courier's imapd says there.
    pub courier: &'a Value,
    /// What ours says there.
    pub ours: &'a Value,
}

/// Walks two values side by side and calls `see` for the smallest parts that differ.
pub fn walk<'a>(
    item: &'a str,
    courier: &'a Value,
    ours: &'a Value,
    see: &mut dyn FnMut(Difference<'a>),
) {
    match (courier, ours) {
        _ if courier == ours => {}
        (Value::List(c), Value::List(o)) if c.len() == o.len() => {
            c.iter().zip(o).for_each(|(c, o)| walk(item, c, o, see))
        }
        _ => see(Difference { item, courier, ours }),
    }
}

/// A message as it lies on disk, and what its form makes possible.
pub struct Message<'a> {
    /// Its bytes.
    pub raw: &'a [u8],
    /// Its file's name.
    pub name: &'a [u8],
}

impl Message<'_> {
    fn contains(&self, needle: &[u8]) -> bool {
        self.raw.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle))
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.raw.split(|&b| b == b'\n')
    }

    /// Lines that look like header fields, anywhere: parts have headers too.
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().filter_map(|l| {
            let colon = l.iter().position(|&b| b == b':')?;
            let name = l.get(..colon)?;
            (!name.is_empty()
                && name.iter().all(|b| (33..127).contains(b) || *b == b' ' || *b == b'\t'))
            .then(|| (name, &l[colon + 1..]))
        })
    }

    fn has_crlf(&self) -> bool {
        self.raw.windows(2).any(|w| w == b"\r\n")
    }

    /// A header, the message's or a part's, may lack its end.
    fn unended_header(&self) -> bool {
        let blank = self.raw.first() == Some(&b'\n') || self.raw.windows(2).any(|w| w == b"\n\n");
        !blank || self.contains(b"content-type: multipart/") || self.contains(b"message/rfc822")
    }

    /// Whether this, which ours says, may come from bytes that are no UTF-8.
    fn is_repaired(&self, ours: &[u8]) -> bool {
        ours.starts_with(b"=?utf-8?B?") && std::str::from_utf8(self.raw).is_err()
    }

    /// Whether a field is there that a test holds for: its name, and its value on the first line.
    fn has_field(&self, is: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        self.fields().any(|(name, value)| is(name.trim_ascii(), value.trim_ascii()))
    }

    /// How many `MIME-Version: 1.0` there are fewer than messages, the enclosed ones among them.
    fn lacks_mime_version(&self) -> bool {
        let is_one = |name: &[u8], value: &[u8]| {
            name.eq_ignore_ascii_case(b"mime-version") && value == b"1.0"
        };
        let versions = self.fields().filter(|(n, v)| is_one(n.trim_ascii(), v.trim_ascii()));
        let enclosed = self
            .lines()
            .filter(|line| line.windows(14).any(|w| w.eq_ignore_ascii_case(b"message/rfc822")));
        versions.count() <= enclosed.count()
    }

    /// Whether there may be a header with two fields of one `Content-` name.
    fn repeats_content(&self) -> bool {
        let mut seen = Vec::new();
        self.lines().any(|line| {
            let name = line.split(|b| *b == b':').next().unwrap_or_default().to_ascii_lowercase();
            if line.is_empty() {
                seen.clear();
            }
            let is_repeated = name.starts_with(b"content-") && seen.contains(&name);
            seen.push(name);
            is_repeated
        })
    }

    /// A line that begins with `--` and goes on behind the boundary, or the boundary in a form that
    /// Courier does not know.
    fn boundary(&self) -> Option<&'static str> {
        let has_blank = |value: &[u8]| {
            let value = value.split(|b| *b == b';').next().unwrap_or_default();
            value.trim_ascii_end().contains(&b' ') || value.ends_with(b" \"")
        };
        let forms = self.contains(b"boundary*")
            || self.fields_text("boundary").is_some_and(|b| b.ends_with(b" "))
            || self.lines().any(|line| {
                let lower = line.to_ascii_lowercase();
                let at = lower.windows(9).position(|w| w == b"boundary=");
                at.is_some_and(|at| lower.get(at + 9..).is_some_and(has_blank))
            });
        if forms {
            return Some("boundary-forms");
        }
        let boundary = self.fields_text("boundary")?;
        let line = [b"--", boundary.as_slice()].concat();
        let goes_on = self.lines().any(|l| {
            l.strip_prefix(line.as_slice()).is_some_and(|rest| {
                let rest = rest.strip_prefix(b"--").unwrap_or(rest);
                !rest.trim_ascii().is_empty()
            })
        });
        if goes_on {
            return Some("boundary-line");
        }
        let needle = [b"boundary=", boundary.as_slice()].concat();
        let quoted = [b"boundary=\"", boundary.as_slice()].concat();
        let count = |what: &[u8]| {
            self.raw.windows(what.len()).filter(|w| w.eq_ignore_ascii_case(what)).count()
        };
        (count(&needle) + count(&quoted) > 1).then_some("equal-boundaries")
    }

    /// Whether a delimiter follows the header of a part at once.
    fn part_is_only_header(&self) -> bool {
        let lines: Vec<&[u8]> = self.lines().collect();
        lines.windows(2).any(|two| {
            let name = two[0].get(..8).unwrap_or_default();
            name.eq_ignore_ascii_case(b"content-") && two[1].starts_with(b"--")
        })
    }

    fn boundary_never_comes(&self) -> bool {
        self.fields_text("boundary").is_some_and(|b| {
            let line = [b"--", b.as_slice()].concat();
            !self.lines().any(|l| l.starts_with(&line))
        }) || (self.contains(b"content-type: multipart/") && self.fields_text("boundary").is_none())
    }

    fn fields_text(&self, name: &str) -> Option<Vec<u8>> {
        let needle = format!("{name}=");
        let at = self
            .raw
            .windows(needle.len())
            .position(|w| w.eq_ignore_ascii_case(needle.as_bytes()))?;
        let rest = self.raw.get(at + needle.len()..)?;
        Some(match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted.iter().copied().take_while(|&b| b != b'"').collect(),
            None => rest
                .iter()
                .copied()
                .take_while(|b| !b.is_ascii_whitespace() && *b != b';')
                .collect(),
        })
    }
}

fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Text(t) | Value::Atom(t) => Some(t),
        Value::Nil => Some(b""),
        Value::Big(..) | Value::List(_) => None,
    }
}

fn count(value: &Value) -> Option<i64> {
    match value {
        Value::Atom(a) => std::str::from_utf8(a).ok()?.parse().ok(),
        _ => None,
    }
}

fn without(text: &[u8], unwanted: impl Fn(u8) -> bool) -> Vec<u8> {
    text.iter().copied().filter(|&b| !unwanted(b)).collect()
}

/// A text without its 8-bit bytes and encoded words.
fn plain(text: &[u8]) -> Vec<u8> {
    let text = without(text, |b| b >= 128);
    let find = |from: usize, what: &[u8]| {
        text.get(from..)?.windows(what.len()).position(|w| w == what).map(|at| from + at)
    };
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(start) = find(at, b"=?") {
        let Some(end) =
            find(start, b"?Q?").or(find(start, b"?B?")).and_then(|b| find(b + 3, b"?="))
        else {
            break;
        };
        out.extend_from_slice(&text[at..start]);
        at = end + 2;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// The row of postrider-courier(7) that a difference belongs to.
pub fn row(d: &Difference<'_>, m: &Message<'_>) -> Option<&'static str> {
    let (c, o) = (text(d.courier), text(d.ours));
    let structure = d.item == "BODY" || d.item == "BODYSTRUCTURE";
    let section = d.item.starts_with("BODY[");
    if let (true, Some(c), Some(o)) = (structure, c, o) {
        let encodings: [&[u8]; 5] = [b"8bit", b"7bit", b"quoted-printable", b"base64", b"binary"];
        if o == b"7bit" && encodings.iter().any(|e| c.eq_ignore_ascii_case(e)) {
            return Some("encoding-7bit");
        }
        if m.is_repaired(o) {
            return Some("undecodable-octets");
        }
        if o != c && without(o, |b| b == b'\\') == without(c, |b| b == b'\\') {
            return Some("parameter-backslash");
        }
    }
    if structure && without_charset(d.courier) == Some(as_list(d.ours)) {
        return Some("inherited-charset");
    }
    if d.item == "FLAGS" {
        let bare = !m.name.windows(3).any(|w| w == b":2,");
        return (bare && without_recent(d.courier) == without_recent(d.ours))
            .then_some("recent-without-info");
    }
    if d.item == "ENVELOPE" {
        return envelope(d, m);
    }
    if section && m.raw.contains(&0) {
        return Some("nul-bytes");
    }
    if d.item.ends_with(".MIME]") {
        return Some("mime-of-part");
    }
    if structure || section {
        let is_content_type = |n: &[u8]| n.eq_ignore_ascii_case(b"content-type");
        if m.contains(b"message/global") {
            return Some("message-global");
        }
        if let Some(row) = m.boundary() {
            return Some(row);
        }
        if m.has_field(|n, v| is_content_type(n) && !v.contains(&b'/')) {
            return Some("type-incomplete");
        }
        if m.repeats_content() {
            return Some("repeated-content");
        }
        if m.has_field(|n, _| is_content_type(n)) && m.lacks_mime_version() {
            return Some("mime-version");
        }
    }
    if m.has_crlf() && (structure || section || d.item == "RFC822.SIZE") {
        return Some("crlf-files");
    }
    if m.boundary_never_comes() && (structure || section) {
        return Some("boundary-never-comes");
    }
    if structure || section {
        // A byte or two at the end of a part, or a count of them.
        let near = match (count(d.courier), count(d.ours), c, o) {
            (Some(c), Some(o), _, _) => (c - o).abs() <= 2,
            (_, _, Some(c), Some(o)) if section => {
                let (c, o) = (c.trim_ascii_end(), o.trim_ascii_end());
                c == o
            }
            _ => false,
        };
        let nested = m.contains(b"message/rfc822") || m.contains(b"multipart/digest");
        if near && nested {
            return Some("nested-message-size");
        }
        if (near && m.unended_header()) || m.part_is_only_header() {
            return Some("unended-header");
        }
        let own = m.fields().any(|(n, v)| {
            n.eq_ignore_ascii_case(b"content-type")
                && v.trim_ascii().to_ascii_lowercase().starts_with(b"message/rfc822")
        });
        if own && section && d.item.starts_with("BODY[1") {
            return Some("rfc822-part-one");
        }
        if m.fields().any(|(n, _)| n.ends_with(b" ") || n.ends_with(b"\t")) {
            return Some("blank-before-colon");
        }
    }
    None
}

fn envelope(d: &Difference<'_>, m: &Message<'_>) -> Option<&'static str> {
    let (c, o) = (text(d.courier), text(d.ours));
    if m.raw.contains(&0) {
        return Some("nul-bytes");
    }
    if let (Some(c), Some(o)) = (c, o) {
        if m.is_repaired(o) {
            return Some("undecodable-octets");
        }
        // Shown as an encoded word here, left out there.
        if without(&plain(c), |b| b == b' ') == without(&plain(o), |b| b == b' ') && plain(o) != o {
            return Some("undecodable-octets");
        }
    }
    let is_address = |n: &[u8]| {
        ["from", "to", "cc", "bcc", "sender", "reply-to"]
            .iter()
            .any(|f| n.trim_ascii().eq_ignore_ascii_case(f.as_bytes()))
    };
    if m.fields().any(|(n, v)| is_address(n) && v.iter().filter(|&&b| b == b'"').count() % 2 == 1) {
        return Some("unclosed-quote");
    }
    if m.fields().any(|(n, v)| is_address(n) && v.contains(&b':')) {
        return Some("envelope-groups");
    }
    if m.fields().any(|(n, v)| is_address(n) && v.iter().any(|b| matches!(b, b'(' | b'"'))) {
        return Some("address-quotes");
    }
    if m.fields().any(|(_, v)| v.len() > 8000) {
        return Some("envelope-fields-whole");
    }
    if m.fields().any(|(n, _)| n.ends_with(b" ") || n.ends_with(b"\t")) {
        return Some("blank-before-colon");
    }
    None
}

fn as_list(value: &Value) -> Vec<Value> {
    match value {
        Value::List(l) => l.clone(),
        _ => Vec::new(),
    }
}

/// Courier's list of parameters without the inherited `charset`; `None` where there is none.
fn without_charset(value: &Value) -> Option<Vec<Value>> {
    let list = as_list(value);
    let at =
        list.iter().position(|v| text(v).is_some_and(|t| t.eq_ignore_ascii_case(b"charset")))?;
    (at % 2 == 0).then(|| {
        list.iter()
            .enumerate()
            .filter(|(n, _)| *n != at && *n != at + 1)
            .map(|(_, v)| v.clone())
            .collect()
    })
}

fn without_recent(value: &Value) -> Vec<Value> {
    as_list(value).into_iter().filter(|v| *v != Value::Atom(b"\\Recent".to_vec())).collect()
}
