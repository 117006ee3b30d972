//! Reads the tree of parts in a payload ([`super::structure`]) part by part, in the order in which
//! an answer has them, without making a tree of it.

use super::bytes::{Cursor, Text};
use super::common::{self, Meaning};
use super::structure::{
    DESCRIPTION, DISPOSITION, EIGHT_BIT, HEADER_ENDED, ID, LANGUAGE, LIMITED, LOCATION, MD5,
    MESSAGE, MULTIPART,
};
use crate::mime::params::Param;
use crate::mime::structure::{Content, Disposition, Part, Structure};
use crate::types::limits::MAX_DEPTH;
use std::ops::Range;

/// A structure in a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outline<'a>(pub(super) &'a [u8]);

/// What is told of the parts: each begins, has what is in it, and ends.
pub(crate) trait Visitor<'a> {
    /// A part begins.
    fn begin(&mut self, part: &Outlined<'a>);
    /// The message in a part, before it begins: the fields of its header that its envelope needs.
    fn enclosed(&mut self, part: &Outlined<'a>, fields: &'a [u8]);
    /// A part ends.
    fn end(&mut self, part: &Outlined<'a>);
}

/// Looks at nothing.
impl<'a> Visitor<'a> for () {
    fn begin(&mut self, _: &Outlined<'a>) {}
    fn enclosed(&mut self, _: &Outlined<'a>, _: &'a [u8]) {}
    fn end(&mut self, _: &Outlined<'a>) {}
}

/// What is in a part.
const CONTENT: u8 = MULTIPART | MESSAGE;
/// What most parts do not have.
const MORE: u8 = ID | DESCRIPTION | MD5 | DISPOSITION | LANGUAGE | LOCATION;

/// A part, but for what is in it. As [`Part`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outlined<'a> {
    header: Measured,
    body: Measured,
    bits: u8,
    /// Much of it as an answer has it.
    pub(crate) written: Written<'a>,
    pub(crate) kind: Text<'a>,
    pub(crate) subtype: Text<'a>,
    pub(crate) encoding: Text<'a>,
    pub(crate) params: Params<'a>,
    pub(crate) more: More<'a>,
}

/// What an answer has of a part of a common description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written<'a> {
    /// It has none.
    Not,
    /// Of a text, all from the parenthesis to the blank behind the encoding.
    Text(&'static [u8]),
    /// Of a multipart, all behind the parts in it up to the boundary; and the boundary, the one
    /// parameter.
    Multipart(&'static [u8], Text<'a>),
}

/// What most parts do not have.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct More<'a> {
    pub(crate) id: Option<Text<'a>>,
    pub(crate) description: Option<Text<'a>>,
    pub(crate) md5: Option<Text<'a>>,
    pub(crate) disposition: Option<(Text<'a>, Params<'a>)>,
    pub(crate) language: Option<Text<'a>>,
    location: Option<Text<'a>>,
}

impl<'a> More<'a> {
    fn read(cursor: &mut Cursor<'a>, bits: u8) -> Option<More<'a>> {
        let optional = |cursor: &mut Cursor<'a>, bit| match bits & bit {
            0 => Some(None),
            _ => cursor.text().map(Some),
        };
        Some(More {
            id: optional(cursor, ID)?,
            description: optional(cursor, DESCRIPTION)?,
            md5: optional(cursor, MD5)?,
            disposition: match bits & DISPOSITION {
                0 => None,
                _ => Some((cursor.text()?, Params::read(cursor)?)),
            },
            language: optional(cursor, LANGUAGE)?,
            location: optional(cursor, LOCATION)?,
        })
    }
}

/// A range of the file, the lines in it, and its length on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Measured {
    range: Range<u64>,
    lines: u64,
    size: u64,
}

/// Parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Params<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Params<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Params<'a>> {
        let count = cursor.length()?;
        let before = cursor.rest();
        for _ in 0..count {
            cursor.text()?;
            cursor.text()?;
        }
        Some(Params { count, bytes: cursor.read_since(before) })
    }

    /// Names and values.
    pub(crate) fn each(self) -> impl Iterator<Item = (Text<'a>, Text<'a>)> {
        let mut cursor = Cursor::new(self.bytes);
        (0..self.count).map_while(move |_| cursor.text().zip(cursor.text()))
    }

    fn to_vec(self) -> Vec<Param> {
        let param = |(name, value): (Text<'a>, Text<'a>)| Param {
            name: name.bytes().to_vec(),
            value: value.bytes().to_vec(),
        };
        self.each().map(param).collect()
    }
}

impl<'a> Outlined<'a> {
    /// Reads one that lies within a range of the file.
    fn read(cursor: &mut Cursor<'a>, within: &Range<u64>) -> Option<Outlined<'a>> {
        let bits = cursor.byte()?;
        (bits & CONTENT != CONTENT).then_some(())?;
        let start = within.start.checked_add(cursor.number()?)?;
        let header = Measured::read(cursor, start, within.end)?;
        let body = Measured::read(cursor, header.range.end, within.end)?;
        let (written, [kind, subtype, encoding], params) = match common::meaning(cursor.byte()?)? {
            Meaning::Nothing => {
                let texts = [cursor.text()?, cursor.text()?, cursor.text()?];
                (Written::Not, texts, Params::read(cursor)?)
            }
            Meaning::Text(text) => {
                (bits & (CONTENT | ID | DESCRIPTION) == 0).then_some(())?;
                let texts = [common::TEXT, Text::Quoted(text.subtype), Text::Quoted(text.encoding)];
                let params = Params { count: 1, bytes: text.params };
                (Written::Text(text.written), texts, params)
            }
            Meaning::Multipart(common) => {
                (bits & CONTENT == MULTIPART).then_some(())?;
                let before = cursor.rest();
                (cursor.text()? == common::BOUNDARY).then_some(())?;
                let boundary = cursor.text()?;
                let params = Params { count: 1, bytes: cursor.read_since(before) };
                let texts = [common::MULTIPART, Text::Quoted(common.subtype), common::ENCODING];
                (Written::Multipart(common.written, boundary), texts, params)
            }
        };
        let more = match bits & MORE {
            0 => More::default(),
            _ => More::read(cursor, bits)?,
        };
        Some(Outlined { header, body, bits, written, kind, subtype, encoding, params, more })
    }

    /// Whether it has any of [`More`].
    pub(crate) fn has_more(&self) -> bool {
        self.bits & MORE != 0
    }

    /// Whether it is a multipart of parts.
    pub(crate) fn is_multipart(&self) -> bool {
        self.bits & CONTENT == MULTIPART
    }

    /// Whether there is a message in it.
    pub(crate) fn is_message(&self) -> bool {
        self.bits & CONTENT == MESSAGE
    }

    /// [`Part::body_size`].
    pub(crate) fn body_size(&self) -> u64 {
        self.body.size
    }

    /// [`Part::body_lines`].
    pub(crate) fn body_lines(&self) -> u64 {
        self.body.lines
    }

    fn to_part(&self, content: Content) -> Part {
        let text = |text: Text<'a>| text.bytes().to_vec();
        Part {
            header: self.header.range.clone(),
            body: self.body.range.clone(),
            header_size: self.header.size,
            body_size: self.body.size,
            header_lines: self.header.lines,
            body_lines: self.body.lines,
            kind: text(self.kind),
            subtype: text(self.subtype),
            params: self.params.to_vec(),
            id: self.more.id.map(text),
            description: self.more.description.map(text),
            encoding: text(self.encoding),
            md5: self.more.md5.map(text),
            disposition: self
                .more
                .disposition
                .map(|(kind, params)| Disposition { kind: text(kind), params: params.to_vec() }),
            language: self.more.language.map(text),
            location: self.more.location.map(text),
            content,
        }
    }
}

impl Measured {
    /// One that begins at `start` and does not reach beyond `end`.
    fn read(cursor: &mut Cursor<'_>, start: u64, end: u64) -> Option<Measured> {
        let [length, lines, with_cr] = [cursor.number()?, cursor.number()?, cursor.number()?];
        let range = start..start.checked_add(length)?;
        let bare = lines.checked_sub(with_cr)?;
        (range.end <= end && lines <= length).then_some(())?;
        Some(Measured { range, lines, size: length.checked_add(bare)? })
    }
}

impl<'a> Outline<'a> {
    /// Tells of all parts. The length of the file; `None` if the bytes contradict themselves, which
    /// shows when parts have been told of, perhaps.
    pub(crate) fn visit(self, visitor: &mut impl Visitor<'a>) -> Option<u64> {
        let mut cursor = Cursor::new(self.0);
        cursor.byte()?;
        cursor.number()?;
        let root = visit_part(&mut cursor, 0..u64::MAX, 0, visitor)?;
        (root.start == 0 && cursor.rest().is_empty()).then_some(root.end)
    }

    /// As a tree; `None` if the bytes contradict themselves.
    pub(crate) fn structure(self) -> Option<Structure> {
        let mut cursor = Cursor::new(self.0);
        let (bits, size) = (cursor.byte()?, cursor.number()?);
        let mut builder = Builder::default();
        let file_size = self.visit(&mut builder)?;
        Some(Structure {
            size,
            file_size,
            has_8bit_header: bits & EIGHT_BIT != 0,
            header_ended: bits & HEADER_ENDED != 0,
            limited: bits & LIMITED != 0,
            root: builder.done.pop()?,
        })
    }
}

/// Tells of a part that lies within a range of the file; where it lies.
fn visit_part<'a>(
    cursor: &mut Cursor<'a>,
    within: Range<u64>,
    depth: usize,
    visitor: &mut impl Visitor<'a>,
) -> Option<Range<u64>> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let part = Outlined::read(cursor, &within)?;
    let body = part.body.range.clone();
    visitor.begin(&part);
    if part.is_multipart() {
        let count = cursor.length()?;
        let mut from = body.start;
        for _ in 0..count {
            from = visit_part(cursor, from..body.end, depth + 1, visitor)?.end;
        }
        (count > 0).then_some(())?;
    } else if part.is_message() {
        let length = cursor.length()?;
        visitor.enclosed(&part, cursor.take(length)?);
        visit_part(cursor, body.clone(), depth + 1, visitor)?;
    }
    visitor.end(&part);
    Some(part.header.range.start..body.end)
}

/// Makes a tree.
#[derive(Default)]
struct Builder {
    /// Parts that have ended, and whose part around has not.
    done: Vec<Part>,
    /// How many there were when each part began that has not ended.
    open: Vec<usize>,
}

impl<'a> Visitor<'a> for Builder {
    fn begin(&mut self, _: &Outlined<'a>) {
        self.open.push(self.done.len());
    }

    fn enclosed(&mut self, _: &Outlined<'a>, _: &'a [u8]) {}

    fn end(&mut self, part: &Outlined<'a>) {
        let from = self.open.pop().unwrap_or_default().min(self.done.len());
        let mut parts = self.done.split_off(from);
        let content = match part.bits & CONTENT {
            MULTIPART => Content::Multipart(parts),
            MESSAGE => match parts.pop() {
                Some(inner) => Content::Message(Box::new(inner)),
                None => Content::Leaf,
            },
            _ => Content::Leaf,
        };
        self.done.push(part.to_part(content));
    }
}
