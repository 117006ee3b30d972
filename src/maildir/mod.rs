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
pub(crate) mod change;
pub(crate) mod change_keywords;
mod config;
pub(crate) mod deliver;
mod dir;
mod error;
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
mod renamed;
pub(crate) mod resolve;
pub(crate) mod saved;
pub(crate) mod scan;
pub(crate) mod second_names;
mod shared_index;
pub(crate) mod shared_link;
pub(crate) mod special_use;
mod stamp;
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
pub(crate) use store::Store;
