//! Values and their rules, no input or output: what a UID is, what a folder may be called, which
//! letters are rights.

pub mod flags;
pub mod folder;
pub mod ids;
pub mod keywords;
pub mod number;
pub mod rights;
pub mod utf7;

pub use flags::Flags;
pub use folder::{FolderName, Place};
pub use ids::{Seq, Uid, UidValidity};
pub use keywords::{KeywordTable, SetId};
pub use rights::Rights;
