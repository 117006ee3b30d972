//! The store.

pub mod account;
pub mod acl;
pub mod acl_files;
pub mod control;
pub mod pattern;
pub mod quota;
pub mod shared_index;
pub mod subscriptions;
