//! The store: folders of messages on disk, as Courier keeps them. Nothing in here knows IMAP.
//!
//! A [`Dir`] is one folder. [`scan::scan`] reads it under its lock and gives a [`Snapshot`], the
//! messages with their UIDs. A [`deliver::Delivery`] is a message on its way in. [`change`] renames
//! and unlinks. [`resolve::Namespace`] knows where a name leads and what the user may do there;
//! [`quota::Quota`] knows what fits. `STORAGE n` in the comments is a section of
//! `src/maildir/README.md`.

pub(crate) mod account;
pub(crate) mod acl;
pub(crate) mod acl_files;
mod acl_inherited;
mod acl_known;
pub(crate) mod acl_many;
pub(crate) mod change;
pub(crate) mod change_keywords;
mod config;
pub(crate) mod deliver;
pub(crate) mod details;
mod dir;
mod error;
pub(crate) mod facts;
mod folder_names;
pub(crate) mod folders;
mod follow;
mod host;
mod index;
pub(crate) mod keyword_limit;
mod keywords;
pub(crate) mod list;
mod lock;
mod make_folder;
mod messages;
pub(crate) mod metadata;
pub(crate) mod move_by_copy;
pub(crate) mod moving;
mod names;
pub(crate) mod observer;
pub(crate) mod outbox;
pub(crate) mod pattern;
pub(crate) mod quota;
mod quota_limits;
mod reading;
pub(crate) mod record;
mod renamed;
pub(crate) mod resolve;
pub(crate) mod saved;
pub(crate) mod scan;
pub(crate) mod second_names;
mod sequences;
mod shared_index;
pub(crate) mod shared_link;
pub(crate) mod special_use;
mod stamp;
mod state;
pub(crate) mod status;
mod store;
mod subscriptions;
mod temporary;
#[cfg(test)]
mod testing;
mod time;
pub(crate) mod trash;
mod uiddb;
mod upkeep;
pub(crate) mod watch;
mod write_keywords;

pub(crate) use config::{Config, KeywordMode};
pub(crate) use dir::{Dir, Entered};
pub(crate) use error::Error;
pub(crate) use host::Host;
pub(crate) use messages::Messages;
pub(crate) use scan::{Mode, Snapshot};
pub(crate) use sequences::Sequences;
pub(crate) use state::inspect::Findings;
pub(crate) use store::Store;

/// The index of a folder, for people.
pub(crate) fn inspect_index(dir: &Entered) -> Findings {
    let mut findings = Findings::default();
    let image = state::inspect::inspect(dir, &mut findings);
    let known = image.as_ref().map(|image| (&image.messages, &image.details));
    facts::inspect::inspect(dir, known, &mut findings);
    findings
}
