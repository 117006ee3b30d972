//! What a URL names, as FETCH would serve it: CATENATE's parts that are on the server already (RFC
//! 4469 3). They are streamed from file to file.

use super::url::MessageUrl;
use crate::commands::fetch::{What, choose_lines, locate};
use crate::maildir::saved::{self, Saved};
use crate::maildir::{self, Entered, Messages};
use crate::session::access::Missing;
use crate::session::folder::Folder;
use crate::session::message::{self, Cache, Reader, Slice};
use crate::session::{Result, Selected, Session};
use crate::types::{FolderName, Uid};
use std::io;
use std::ops::Range;

/// The message that the last URL has named, and the folder that it was in: the next URL often names
/// another part of it.
#[derive(Default)]
pub(super) struct Sources {
    reader: Reader,
    cache: Cache,
    /// The message that is open.
    open: Option<(FolderName, Uid)>,
    /// A folder that the session has not open.
    folder: Option<(Folder, Saved)>,
}

/// Bytes of the open message.
pub(super) struct Bytes {
    /// Where they are stored.
    stored: Range<u64>,
    /// Header lines that were chosen, with CRLF: these bytes are meant, then.
    lines: Option<Vec<u8>>,
    /// The first one, on the wire.
    start: u64,
    /// How many there are, on the wire.
    pub(super) length: u64,
}

impl Sources {
    /// Opens the message that a URL names; whether there is one that the user may read.
    pub(super) fn open(
        &mut self,
        s: &Session,
        selected: Option<&mut Selected>,
        url: &MessageUrl,
    ) -> Result<std::result::Result<bool, maildir::Error>> {
        let name = match (&url.folder, &selected) {
            (Some(text), _) => FolderName::from_wire(text, true).ok(),
            (None, Some(selected)) => Some(selected.folder.name.clone()),
            (None, None) => None,
        };
        let Some(name) = name else { return Ok(Ok(false)) };
        let selected = selected.filter(|selected| selected.folder.name == name);
        let Ok(folder) = s.locate_name(name.clone(), Missing::Refused) else {
            return Ok(Ok(false));
        };
        let rights = match &selected {
            Some(selected) => selected.rights,
            None => s.rights(&name)?,
        };
        if !rights.has(b'r') {
            return Ok(Ok(false));
        }
        let is_open =
            self.open.as_ref().is_some_and(|(open, uid)| *open == name && *uid == url.uid);
        let opened = match selected {
            Some(selected) => self.open_selected(selected, url, is_open),
            None => Ok(false),
        };
        let opened = match opened {
            Ok(false) => self.open_saved(folder, url, is_open),
            other => other,
        };
        self.open = matches!(opened, Ok(true)).then_some((name, url.uid));
        Ok(match opened {
            Err(maildir::Error::Gone) => Ok(false),
            other => other,
        })
    }

    /// In the open folder, by what the client knows of it.
    fn open_selected(
        &mut self,
        selected: &mut Selected,
        url: &MessageUrl,
        is_open: bool,
    ) -> std::result::Result<bool, maildir::Error> {
        let snapshot = &mut selected.snapshot;
        let Ok(index) = snapshot.messages.position(url.uid) else { return Ok(false) };
        if url.validity.is_some_and(|validity| validity != snapshot.uid_validity) {
            return Ok(false);
        }
        let dir = selected.folder.enter()?;
        self.open_at(&dir, &mut snapshot.messages, index, is_open)
    }

    /// In another folder, or a message that came into the open one since the last look.
    fn open_saved(
        &mut self,
        folder: Folder,
        url: &MessageUrl,
        is_open: bool,
    ) -> std::result::Result<bool, maildir::Error> {
        let known = self.folder.take().filter(|(known, _)| known.name == folder.name);
        let (folder, mut saved) = match known {
            // A UID that it did not have may have been given since.
            Some((known, saved)) if saved.messages.position(url.uid).is_ok() => (known, saved),
            _ => {
                let saved = saved::read(&*folder.enter()?)?;
                (folder, saved)
            }
        };
        let found = saved.messages.position(url.uid).ok().filter(|_| {
            saved.validity.is_some() && (url.validity.is_none() || url.validity == saved.validity)
        });
        let opened = match found {
            Some(index) => {
                let dir = folder.enter()?;
                self.open_at(&dir, &mut saved.messages, index, is_open)
            }
            None => Ok(false),
        };
        self.folder = Some((folder, saved));
        opened
    }

    fn open_at(
        &mut self,
        dir: &Entered,
        messages: &mut Messages,
        index: usize,
        is_open: bool,
    ) -> std::result::Result<bool, maildir::Error> {
        if !is_open {
            message::open(dir, messages, index, &mut self.reader)?;
        }
        Ok(true)
    }

    /// The bytes of the open message that a URL names; `None` if it has no such part.
    pub(super) fn find(&mut self, url: &MessageUrl) -> io::Result<Option<Bytes>> {
        let Some((stored, size, chosen)) = self.locate(url)? else { return Ok(None) };
        let mut lines = None;
        let mut size = size;
        if chosen {
            let length = stored.end.saturating_sub(stored.start);
            let block = self.reader.header_block(stored.clone())?;
            let mut out = Vec::new();
            choose_lines(block, length, (url.what, &url.names), &mut out);
            size = out.len() as u64;
            lines = Some(out);
        }
        let (start, count) = url.partial.unwrap_or((0, u64::MAX));
        let length = size.saturating_sub(start).min(count);
        Ok(Some(Bytes { stored, lines, start, length }))
    }

    /// Where the section lies, its length on the wire, and whether lines of it are to be chosen.
    fn locate(&mut self, url: &MessageUrl) -> io::Result<Option<(Range<u64>, u64, bool)>> {
        if url.path.is_empty() && url.what == What::Whole {
            let size = message::wire_size(&mut self.cache, &mut self.reader)?;
            return Ok(Some((0..self.reader.len(), size, false)));
        }
        let found = message::structure(&mut self.cache, &mut self.reader)?;
        let part = locate(&found.root, &url.path, url.what);
        Ok(part.map(|part| (part.stored, part.size, part.chosen)))
    }

    /// Hands the bytes to `sink`, in chunks.
    pub(super) fn copy(&mut self, bytes: Bytes, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        let Bytes { stored, lines, start, length } = bytes;
        if let Some(lines) = lines {
            let start = usize::try_from(start).unwrap_or(usize::MAX).min(lines.len());
            let rest = lines.get(start..).unwrap_or_default();
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            sink(rest.get(..length).unwrap_or_default());
            return Ok(());
        }
        let mut slice = Slice::new(&mut self.cache, &self.reader, stored, start, length);
        let mut out = Vec::new();
        while slice.step(&mut self.reader, &mut out)?.is_some() {
            sink(&out);
            out.clear();
        }
        slice.remember(&mut self.cache);
        Ok(())
    }
}
