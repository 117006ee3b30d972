//! What commands ask about a message, each question in one place: size, header, structure, date.
//! FETCH, SEARCH, SORT and THREAD ask a [`Message`], which need not be opened where what was found
//! before answers them. The functions here ask an open file.

mod cache;
mod content;
mod decoding;
mod handle;
mod reader;
mod recall;
mod slice;

pub(crate) use cache::Cache;
pub(crate) use content::{ContentSlice, has_nul, measure};
pub(crate) use decoding::{Encoded, Measured};
pub(crate) use handle::{Message, Wants};
pub(crate) use reader::Reader;
pub(crate) use slice::Slice;

use crate::maildir::{self, Entered, Messages, change};
use crate::mime::structure::{Parser, Structure, StructureLimits};
use crate::sys::stat::Stat;
use crate::types::limits::MAX_HEADER;
use std::io;
use std::rc::Rc;

/// Opens the message at `index` of a folder. If another session has renamed it, its new flags
/// are taken over, and `messages.take_changed` says so. [`maildir::Error::Gone`]: the message is
/// no more.
pub(crate) fn open(
    dir: &Entered,
    messages: &mut Messages,
    index: usize,
    reader: &mut Reader,
) -> Result<(), maildir::Error> {
    reader.close();
    let (file, stat) = change::open(dir, messages, index)?;
    reader.set(file, &stat, messages.uid(index));
    if let Ok(cur) = dir.cur()
        && !dir.is_of_links()
    {
        let (base, name) = (messages.base_name(index), messages.file_name(index));
        reader.source = Some((Rc::clone(cur), base.to_vec(), name));
    }
    Ok(())
}

/// As [`open`], but for the internal date alone. A file that still has the name that we know is not
/// opened for that.
pub(crate) fn stat(
    dir: &Entered,
    messages: &mut Messages,
    index: usize,
    reader: &mut Reader,
) -> Result<Stat, maildir::Error> {
    if !dir.is_of_links()
        && let Ok(stat) = dir.stat_message(&messages.file_name(index))
        && stat.is_file()
    {
        reader.close();
        return Ok(stat);
    }
    reader.close();
    let (file, stat) = change::open(dir, messages, index)?;
    drop(file);
    Ok(stat)
}

/// RFC822.SIZE: the exact length on the wire, in bytes (RFC 3501 2.3.4). Never from the file's
/// name: that counts stored bytes, or lies.
pub(crate) fn wire_size(cache: &mut Cache, reader: &mut Reader) -> io::Result<u64> {
    let cache = cache.about(reader);
    if let Some(size) = cache.size {
        return Ok(size);
    }
    let size = reader.wire_len(0..reader.size)?;
    cache.size = Some(size);
    Ok(size)
}

/// The message's header as stored, its empty line included; no more than its first [`MAX_HEADER`]
/// bytes, cut behind a whole line.
pub(crate) fn header(reader: &mut Reader) -> io::Result<&[u8]> {
    let end = reader.find_header_end(MAX_HEADER as u64)?;
    reader.header_block(0..end)
}

/// The length of the header as stored, its empty line included, however long it is. All of the file
/// where no empty line is.
pub(crate) fn header_len(cache: &mut Cache, reader: &mut Reader) -> io::Result<u64> {
    let cache = cache.about(reader);
    if reader.header_end.is_none() {
        reader.header_end = cache.header_end;
    }
    let end = reader.find_header_end(u64::MAX)?;
    cache.header_end = Some(end);
    Ok(end)
}

/// The tree of parts, with offsets and sizes.
pub(crate) fn structure(cache: &mut Cache, reader: &mut Reader) -> io::Result<Rc<Structure>> {
    let cache = cache.about(reader);
    if let Some(known) = &cache.structure {
        return Ok(Rc::clone(known));
    }
    let mut parser = Parser::new(StructureLimits::default());
    reader.each(0..reader.size, |chunk| parser.push(chunk))?;
    let found = Rc::new(parser.finish());
    cache.size = Some(found.size);
    cache.structure = Some(Rc::clone(&found));
    Ok(found)
}
