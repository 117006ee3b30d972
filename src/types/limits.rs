//! How much a client, or the author of a mail, may fill. Each limit is one constant with its
//! reason; [`ALL`] is the table of the manual page. (What bounds time, tries, logs or the
//! administrator's files stands where it is used.)

/// A command without APPEND's message: all of it may be in memory at once.
pub(crate) const MAX_COMMAND: usize = 1024 * 1024;
/// A string, quoted or literal: the longest that Courier's clients were seen to need, many times
/// over.
pub(crate) const MAX_STRING: usize = 64 * 1024;
/// Pairs in ID: RFC 2971 3.3.
pub(crate) const MAX_ID_PAIRS: usize = 30;
/// Keys, lists, NOTs and ORs in SEARCH: each is tried on each message. Courier: the same since its
/// newest release.
pub(crate) const MAX_SEARCH_KEYS: usize = 1000;
/// Keys and REVERSEs in SORT. Courier: the same since its newest release.
pub(crate) const MAX_SORT_KEYS: usize = 1000;
/// Messages in one APPEND: their files are in `tmp` until the last one has come, and the folder is
/// locked while they get their places.
pub(crate) const MAX_APPENDED: usize = 10_000;
/// Parts of CATENATE: each may be another message, or lie deep in one.
pub(crate) const MAX_CATENATED: usize = 10_000;
/// Bytes of a message that CATENATE makes: RFC 4469 4.2.
pub(crate) const MAX_CATENATED_BYTES: u64 = 0xffff_ffff;
/// Folders in one ESEARCH: each is read.
pub(crate) const MAX_SEARCHED_FOLDERS: usize = 10_000;
/// `personal`, `subscribed` and folders in `subtree` in one ESEARCH: for each, all folders are
/// looked up.
pub(crate) const MAX_SEARCHED_TREES: usize = 100;
/// Items of FETCH: each is answered for each message.
pub(crate) const MAX_FETCH_ITEMS: usize = 1000;
/// Names in one HEADER.FIELDS: the answer repeats them for each message.
pub(crate) const MAX_HEADER_NAMES: usize = 1000;
/// Wildcards in a pattern. Courier: the same ("Invalid argument", PROTOCOL 4.5).
pub(crate) const MAX_WILDCARDS: usize = 10;
/// Folders for which a special use was set: LIST looks into each of them.
pub(crate) const MAX_SPECIAL_USE_FOLDERS: usize = 1000;
/// Patterns in LIST: each is matched with all folders.
pub(crate) const MAX_LIST_PATTERNS: usize = 100;
/// Patterns in ACL STORE, SET and DELETE: each is matched with all folders.
pub(crate) const MAX_ACL_PATTERNS: usize = 100;
/// A keyword: it is repeated in FLAGS and in each message's flags.
pub(crate) const MAX_KEYWORD: usize = 100;
/// Keywords in one command and of one message: together they fit a few blocks of the disk, which no
/// quota counts.
pub(crate) const MAX_KEYWORDS: usize = 100;
/// Keywords that messages of one folder have, for STORE, APPEND or COPY to add another: FLAGS
/// announces all of them with each change.
pub(crate) const MAX_FOLDER_KEYWORDS: usize = 1000;
/// Keywords, and different sets of them, that are read from one folder's files.
pub(crate) const MAX_READ_KEYWORDS: usize = 100_000;
/// A folder's name, in UTF-8: longer than any that file systems have room for.
pub(crate) const MAX_FOLDER_NAME: usize = 512;
/// Levels in a folder's name: LIST and LSUB keep a name for each level.
pub(crate) const MAX_FOLDER_LEVELS: usize = 64;
/// Subscriptions, for SUBSCRIBE to add another.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 10_000;
/// The file of the subscriptions, for SUBSCRIBE to make it longer: LSUB has all of it in memory.
pub(crate) const MAX_SUBSCRIPTION_BYTES: usize = 1024 * 1024;
/// An identifier of an access list: a mail address, at the longest, and `user=`.
pub(crate) const MAX_ACL_IDENTIFIER: usize = 300;
/// Entries of an access list, for a change to add another: the folder is locked during a change.
pub(crate) const MAX_ACL_ENTRIES: usize = 1000;
/// The file of an access list. One that could not be read again is not written.
pub(crate) const MAX_ACL_BYTES: usize = 1024 * 1024;
/// The name of an annotation.
pub(crate) const MAX_METADATA_NAME: usize = 255;
/// The value of an annotation: RFC 5464 4.1 has 1024 at least.
pub(crate) const MAX_METADATA_VALUE: usize = MAX_STRING;
/// Annotations of a folder or of the server, shared ones and each user's own, for SETMETADATA to
/// add another: RFC 5464 4.1 has 10 at least.
pub(crate) const MAX_METADATA_ENTRIES: usize = 100;
/// A file with annotations: all of it is in memory, and no quota counts it.
pub(crate) const MAX_METADATA_BYTES: usize = 1024 * 1024;
/// Of a message's or a part's header, so much counts for what is looked up in it. A longer one is
/// an accident or an attack. It is served in full.
pub(crate) const MAX_HEADER: usize = 4 * 1024 * 1024;
/// Of a field, so much counts in SORT and THREAD.
pub(crate) const MAX_COMPARED_FIELD: usize = 8 * 1024;
/// What SORT keeps to compare the messages by. In a folder where it is more, the longest texts are
/// cut until it is not.
pub(crate) const MAX_SORT_BYTES: usize = 32 * 1024 * 1024;
/// Identifiers in one References field: the last ones count.
pub(crate) const MAX_REFERENCES: usize = 1000;
/// Messages that are not there but referred to, in THREAD.
pub(crate) const MAX_ABSENT_MESSAGES: usize = 500_000;
/// Parts of a message. What comes behind them is a part of the last one.
pub(crate) const MAX_PARTS: usize = 10_000;
/// Parts within parts: the depth of a client's recursion, and of ours.
pub(crate) const MAX_DEPTH: usize = 100;
/// Of one of the fields that describe a part, so much counts.
pub(crate) const MAX_PART_FIELD: usize = 64 * 1024;
/// Of all fields that describe the parts of a message, so much is kept.
pub(crate) const MAX_PART_FIELDS: usize = 2 * 1024 * 1024;
/// Parameters of a field.
pub(crate) const MAX_PARAMS: usize = 256;
/// A boundary between parts: RFC 2046 5.1.1 has 70, broken mail more.
pub(crate) const MAX_BOUNDARY: usize = 1024;

/// The table of the manual page: what is limited, and to how much.
pub(crate) const ALL: &[(&str, usize)] = &[
    ("bytes of a command", MAX_COMMAND),
    ("bytes of a string", MAX_STRING),
    ("pairs in ID", MAX_ID_PAIRS),
    ("keys in SEARCH", MAX_SEARCH_KEYS),
    ("keys in SORT", MAX_SORT_KEYS),
    ("messages in APPEND", MAX_APPENDED),
    ("parts in CATENATE", MAX_CATENATED),
    ("bytes that CATENATE makes", MAX_CATENATED_BYTES as usize),
    ("folders in ESEARCH", MAX_SEARCHED_FOLDERS),
    ("trees of folders in ESEARCH", MAX_SEARCHED_TREES),
    ("items in FETCH", MAX_FETCH_ITEMS),
    ("names in HEADER.FIELDS", MAX_HEADER_NAMES),
    ("wildcards in a pattern", MAX_WILDCARDS),
    ("folders with a special use that was set", MAX_SPECIAL_USE_FOLDERS),
    ("patterns in LIST", MAX_LIST_PATTERNS),
    ("patterns in an ACL command", MAX_ACL_PATTERNS),
    ("bytes of a keyword", MAX_KEYWORD),
    ("keywords in a command, and of a message", MAX_KEYWORDS),
    ("keywords of a folder, for a client to add more", MAX_FOLDER_KEYWORDS),
    ("keywords of a folder, as far as they are read", MAX_READ_KEYWORDS),
    ("bytes of a folder name", MAX_FOLDER_NAME),
    ("levels of a folder name", MAX_FOLDER_LEVELS),
    ("subscriptions", MAX_SUBSCRIPTIONS),
    ("bytes of all subscriptions", MAX_SUBSCRIPTION_BYTES),
    ("bytes of an ACL identifier", MAX_ACL_IDENTIFIER),
    ("entries of an ACL", MAX_ACL_ENTRIES),
    ("bytes of an ACL", MAX_ACL_BYTES),
    ("bytes of an annotation's name", MAX_METADATA_NAME),
    ("bytes of an annotation", MAX_METADATA_VALUE),
    ("annotations of a folder or of the server", MAX_METADATA_ENTRIES),
    ("bytes of a file with annotations", MAX_METADATA_BYTES),
    ("bytes of a header that are looked at", MAX_HEADER),
    ("bytes of a field that SORT and THREAD compare", MAX_COMPARED_FIELD),
    ("bytes that SORT compares in a folder", MAX_SORT_BYTES),
    ("identifiers of a References field", MAX_REFERENCES),
    ("absent messages in THREAD", MAX_ABSENT_MESSAGES),
    ("parts of a message", MAX_PARTS),
    ("depth of parts", MAX_DEPTH),
    ("bytes of a field that describes a part", MAX_PART_FIELD),
    ("bytes of all such fields of a message", MAX_PART_FIELDS),
    ("parameters of a field", MAX_PARAMS),
    ("bytes of a boundary", MAX_BOUNDARY),
];
