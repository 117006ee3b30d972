//! What RETURN asks for beside a line of LIST, in responses of its own that follow the line: STATUS
//! (RFC 5819), MYRIGHTS (RFC 8440), METADATA (RFC 9590).

use super::lines::Line;
use super::options::Returns;
use crate::commands::{acl, metadata, status};
use crate::response::access::MyRights;
use crate::response::folders::Status;
use crate::response::metadata::Metadata;
use crate::session::access::Missing;
use crate::session::folder::Folder;
use crate::session::{Error, Result, Session};
use crate::types::{FolderName, Rights};

/// What is told of one folder.
#[derive(Default)]
pub(super) struct Beside {
    /// Whether it turned out that it cannot be opened.
    pub(super) is_closed: bool,
    figures: Option<Vec<(&'static str, Option<u64>)>>,
    rights: Option<Rights>,
    annotations: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A refusal, or what the session ends with.
fn unless_refused<T>(done: Result<T>) -> Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Error::Refused(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

impl Beside {
    /// Asks for it: of folders that exist and meet the criteria. Nothing is told of what cannot be
    /// found out, and the command goes on.
    pub(super) fn of(s: &mut Session, line: &Line, returns: &Returns) -> Result<Beside> {
        let mut beside = Beside::default();
        let is_asked = returns.rights || returns.status.is_some() || returns.metadata.is_some();
        if !is_asked || !line.is_selected || !line.listed.is_folder {
            return Ok(beside);
        }
        let Ok(name) = FolderName::from_disk(&line.listed.name) else { return Ok(beside) };
        let rights = match line.listed.rights.filter(|_| !s.is_open(&name)) {
            Some(rights) => rights,
            None => match unless_refused(s.rights_announced(&name))? {
                Some(rights) => rights,
                None => return Ok(beside),
            },
        };
        if returns.rights && rights.intersects(Rights::ASKING) {
            beside.rights = Some(rights);
        }
        if let Some(query) = &returns.metadata
            && Session::sees_annotations(rights)
        {
            beside.annotate(s, &name, query)?;
        }
        if let Some(items) = returns.status {
            if rights.has(b'r') {
                beside.count(s, name, items)?;
            } else {
                // RFC 5819 2: then the line says \Noselect.
                beside.is_closed = true;
            }
        }
        Ok(beside)
    }

    /// RFC 9590 3: of what cannot be looked up there is no METADATA.
    fn annotate(&mut self, s: &Session, name: &FolderName, query: &metadata::Query) -> Result<()> {
        if may_be_opened(s, name)
            && let Some(folder) = unless_refused(s.locate_name(name.clone(), Missing::Refused))?
            && let Some(found) = unless_refused(metadata::find(s, Some(&folder), query))?
        {
            self.annotations = found.entries;
        }
        Ok(())
    }

    fn count(&mut self, s: &Session, name: FolderName, items: status::Items) -> Result<()> {
        if !may_be_opened(s, &name) {
            return Ok(());
        }
        let folder = unless_refused(s.locate_and_enter(Ok(name)))?;
        let figures = match &folder {
            Some(folder) => unless_refused(status::ask(s, folder, items))?,
            None => None,
        };
        self.is_closed = figures.is_none() && !folder.as_ref().is_some_and(can_be_opened);
        self.figures = figures;
        Ok(())
    }

    /// Sends it, after the line.
    pub(super) fn send(&self, s: &mut Session, name: &[u8]) {
        if let Some(rights) = self.rights {
            let form = acl::rights_form(s);
            s.send(&MyRights { name, rights, form });
        }
        if let Some(figures) = &self.figures {
            s.send(&Status { name, figures });
        }
        if !self.annotations.is_empty() {
            s.send(&Metadata { name, entries: &self.annotations });
        }
    }
}

/// To look into an old-style shared folder is to subscribe to it, which LIST must not do.
fn may_be_opened(s: &Session, name: &FolderName) -> bool {
    !s.namespace.opening_subscribes(name)
}

fn can_be_opened(folder: &Folder) -> bool {
    folder.enter_afresh().is_ok_and(|entered| entered.has_cur())
}
