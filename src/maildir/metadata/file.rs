//! What is in a file with annotations, and how it is spelled (STORAGE 13.2). Others may write the
//! file, so all of it is checked.

use super::Place;
use crate::maildir::error::is_missing;
use crate::types::limits::{MAX_METADATA_BYTES, MAX_METADATA_VALUE};
use crate::types::{EntryName, number};
use std::collections::BTreeMap;
use std::io;

/// The first line: what the file is, and which form of it.
const HEAD: &[u8] = b"postrider-metadata 1";
/// The beginning of a line that is followed by the annotations of one folder.
const FOLDER: &[u8] = b"folder ";

/// One value, and the spelling of its name.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Annotation {
    spelled: Vec<u8>,
    value: Vec<u8>,
}

/// The annotations of one folder, or of the server.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Annotations {
    by_name: BTreeMap<Vec<u8>, Annotation>,
}

impl Annotations {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &EntryName) -> Option<&[u8]> {
        Some(&self.by_name.get(name.as_bytes())?.value)
    }

    /// The names below a name, and their values. The names begin as `name` is spelled.
    pub(crate) fn below(&self, name: &EntryName) -> impl Iterator<Item = (Vec<u8>, &[u8])> {
        let above = [name.as_bytes(), b"/"].concat();
        let length = above.len();
        let begin = [name.spelled(), b"/"].concat();
        self.by_name
            .range(above.clone()..)
            .take_while(move |(name, _)| name.starts_with(&above))
            .map(move |(_, found)| {
                let rest = found.spelled.get(length..).unwrap_or_default();
                ([&begin, rest].concat(), &*found.value)
            })
    }

    /// Gives a name a value, or takes it away.
    pub(crate) fn set(&mut self, name: &EntryName, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                let (spelled, value) = (name.spelled().to_vec(), value.to_vec());
                self.by_name.insert(name.as_bytes().to_vec(), Annotation { spelled, value });
            }
            None => {
                self.by_name.remove(name.as_bytes());
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        for annotation in self.by_name.values() {
            number::push(out, annotation.value.len() as u64);
            out.push(b' ');
            out.extend_from_slice(&annotation.spelled);
            out.push(b'\n');
            out.extend_from_slice(&annotation.value);
            out.push(b'\n');
        }
    }
}

/// All that a file has: by the names of folders, of which most files have only the empty one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Contents {
    folders: BTreeMap<Vec<u8>, Annotations>,
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")
}

/// The next line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let end = memchr::memchr(b'\n', rest).ok_or_else(damaged)?;
    let (line, after) = rest.split_at_checked(end).ok_or_else(damaged)?;
    *rest = after.get(1..).unwrap_or_default();
    Ok(line)
}

impl Contents {
    /// Reads a file; there is nothing in one that is not there. Its bytes come with it.
    pub(super) fn read(place: &Place) -> io::Result<(Contents, Vec<u8>)> {
        let limit = MAX_METADATA_BYTES as u64;
        match place.dir.folder().read_control(place.file.name(), limit) {
            Err(e) if is_missing(&e) => Ok((Contents::default(), Vec::new())),
            read => {
                let bytes = read?;
                Ok((Contents::parse(&bytes)?, bytes))
            }
        }
    }

    /// A file of no bytes, as a crash may leave it, has nothing.
    pub(super) fn parse(file: &[u8]) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let mut rest = file;
        if !file.is_empty() && line(&mut rest)? != HEAD {
            return Err(damaged());
        }
        let mut folder = Vec::new();
        while !rest.is_empty() {
            let head = line(&mut rest)?;
            if let Some(name) = head.strip_prefix(FOLDER) {
                name.clone_into(&mut folder);
                continue;
            }
            let annotations = contents.folders.entry(folder.clone()).or_default();
            let (name, value) = entry(head, &mut rest).ok_or_else(damaged)?;
            if annotations.get(&name).is_some() {
                return Err(damaged());
            }
            annotations.set(&name, Some(value));
        }
        Ok(contents)
    }

    /// The file's bytes; none if there is nothing.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (folder, annotations) in self.folders.iter().filter(|(_, of_it)| of_it.len() > 0) {
            if out.is_empty() {
                out.extend_from_slice(HEAD);
                out.push(b'\n');
            }
            // What belongs to none comes first.
            if !folder.is_empty() {
                out.extend_from_slice(FOLDER);
                out.extend_from_slice(folder);
                out.push(b'\n');
            }
            annotations.write(&mut out);
        }
        out
    }

    /// The annotations of a folder.
    pub(super) fn of(&mut self, folder: &[u8]) -> &mut Annotations {
        self.folders.entry(folder.to_vec()).or_default()
    }

    /// The annotations of a folder, as a value of their own.
    pub(crate) fn copy(&self, folder: &[u8]) -> Annotations {
        self.folders.get(folder).cloned().unwrap_or_default()
    }

    /// As [`Contents::of`], taken out.
    pub(super) fn take(&mut self, folder: &[u8]) -> Annotations {
        self.folders.remove(folder).unwrap_or_default()
    }

    /// The names of the folders.
    pub(super) fn folders(&self) -> Vec<Vec<u8>> {
        self.folders.keys().filter(|name| !name.is_empty()).cloned().collect()
    }

    /// Puts annotations in the place of those of a folder.
    pub(super) fn put(&mut self, folder: Vec<u8>, annotations: Annotations) {
        self.folders.insert(folder, annotations);
    }
}

/// `<length> <name>`, and the value in what follows.
fn entry<'a>(head: &[u8], rest: &mut &'a [u8]) -> Option<(EntryName, &'a [u8])> {
    let blank = memchr::memchr(b' ', head)?;
    let (length, name) = head.split_at_checked(blank)?;
    let length = usize::try_from(number::digits(length)?).ok()?;
    let name = EntryName::parse(name.get(1..)?).filter(EntryName::is_complete)?;
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after.strip_prefix(b"\n")?;
    (length <= MAX_METADATA_VALUE).then_some((name, value))
}
