//! Values and their rules, no input or output: what a UID is, what a folder may be called, which
//! letters are rights.

pub(crate) mod entry;
pub(crate) mod flags;
pub(crate) mod folder;
pub(crate) mod ids;
pub(crate) mod keywords;
pub(crate) mod limits;
pub(crate) mod modseq;
pub(crate) mod number;
pub(crate) mod page;
pub(crate) mod ranges;
pub(crate) mod rights;
pub(crate) mod special_use;
pub(crate) mod utf7;

pub(crate) use entry::EntryName;
pub(crate) use flags::{Flags, Operation};
pub(crate) use folder::{FolderName, Space};
pub(crate) use ids::{Seq, Uid, UidValidity};
pub(crate) use keywords::{KeywordTable, SameKeywords, SetId};
pub(crate) use modseq::ModSeq;
pub(crate) use page::Page;
pub(crate) use ranges::Ranges;
pub(crate) use rights::Rights;
pub(crate) use special_use::SpecialUses;
