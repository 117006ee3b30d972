//! `/private/specialuse` (RFC 6154 4): what a folder is used for, as LIST shows it and CREATE sets
//! it. It is kept where they keep it, and not among the annotations.

use super::get::{Depth, Query};
use crate::commands::capability;
use crate::maildir::metadata::{Annotations, Changes};
use crate::session::folder::Folder;
use crate::session::{Code, Outcome, Result, Session, special_use};
use crate::types::{EntryName, SpecialUses};

const NAME: &[u8] = b"/private/specialuse";

fn is_offered(s: &Session) -> bool {
    capability::is_offered(&s.options, "SPECIAL-USE")
}

/// Puts the folder's uses among its private annotations, if the query asks for them. A LIST finds
/// out those of all folders once.
pub(super) fn add(
    s: &Session,
    folder: &Folder,
    query: &Query,
    annotations: &mut Annotations,
) -> Result<()> {
    let is_asked = |name: &EntryName| {
        name.as_bytes() == NAME || query.depth != Depth::Zero && name.as_bytes() == b"/private"
    };
    if !is_offered(s) || !query.entries.iter().any(is_asked) {
        return Ok(());
    }
    let mut uses = SpecialUses::empty();
    if s.may_have_special_uses(folder) {
        let all = match query.uses.get() {
            Some(all) => all,
            None => {
                let all = s.special_uses()?;
                query.uses.get_or_init(|| all)
            }
        };
        uses = all.get(&folder.at.sub).copied().unwrap_or_default();
    }
    if let Some(name) = EntryName::parse(NAME) {
        let value = uses.shown();
        annotations.set(&name, Some(value.as_bytes()).filter(|value| !value.is_empty()));
    }
    Ok(())
}

/// Takes the change of the folder's uses out of the others. `None`: there is none.
pub(super) fn take(
    s: &Session,
    folder: Option<&Folder>,
    changes: &mut Changes,
) -> Result<Option<SpecialUses>> {
    let Some(folder) = folder.filter(|_| is_offered(s)) else { return Ok(None) };
    let mut taken = None;
    changes.retain_mut(|(name, value)| {
        let is_other = name.as_bytes() != NAME;
        if !is_other {
            taken = Some(value.take().unwrap_or_default());
        }
        is_other
    });
    let Some(text) = taken else { return Ok(None) };
    let Ok(uses) = SpecialUses::parse(&text) else {
        return Outcome::no("The special use is not supported.").with_code(Code::UseAttr).refuse();
    };
    match s.may_have_special_uses(folder) {
        true => Ok(Some(uses)),
        false if uses.is_empty() => Ok(None),
        false => special_use::not_possible().refuse(),
    }
}
