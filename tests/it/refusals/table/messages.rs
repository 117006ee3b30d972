//! Messages come, go, are read and changed.

use super::super::scene::Scene;
use super::*;

const NO_ROOM: &str =
    "NO [ALERT] Cannot create message - no write permission or out of disk space.";

#[rustfmt::skip]
pub(crate) const APPEND: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "APPEND INBOX.box (work) \"26-Nov-2026 00:00:00 +0000\" {14+}\r\nSubject: x\r\n\r\n",
    told: "OK [APPENDUID 556 2] APPEND Ok.",
    disk: "+.box/UIDNEXT=3 +.box/courierimapkeywords/.N.NEW +.box/courierimapkeywords/:list +.box/cur/NEW:2,",
    rows: &[
        row("open .box/tmp/NEW", NOT_STALE, NO_ROOM, "creating a message in ./.box/tmp", NOTHING),
        row("open .box/tmp/NEW", &[STALE], DONE, SILENT, DONE),
        row("write .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("utimensat .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("fsync .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("close .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("open .box/tmp/NEW_courierlock", NOT_STALE, NO_ROOM, "locking ./.box", NOTHING),
        row("open .box/tmp/NEW_courierlock", &[STALE], DONE, SILENT, DONE),
        row("link .box/tmp/courier.lock", &["EACCES", NEVER, "EMLINK EXDEV", UNKNOWN], DONE, SILENT, DONE),
        row("open .box/courierimapuiddb", NOT_STALE, NO_ROOM, "reading ./.box/courierimapuiddb", NOTHING),
        row("open .box/courierimapuiddb", &[STALE], DONE, SILENT, DONE),
        row("open .box/cur", NOT_STALE, NO_ROOM, "opening ./.box/cur", NOTHING),
        row("open .box/cur", &[STALE], DONE, SILENT, DONE),
        row("rename .box/cur/NEW:2,", NOT_UNKNOWN, NO_ROOM, "delivering to ./.box", NOTHING),
        row("rename .box/cur/NEW:2,", &[UNKNOWN], DONE, SILENT, DONE),
        // The UIDs stay taken.
        row("fsync .box/cur", NOT_UNKNOWN, NO_ROOM, "syncing ./.box/cur", "+.box/UIDNEXT=3 +.box/courierimapkeywords/.N.NEW +.box/courierimapkeywords/:list"),
        row("fsync .box/cur", &[UNKNOWN], DONE, SILENT, DONE),
        row("getdents .box/cur", ALL, NO_ROOM, "reading ./.box/cur", NOTHING),
        row("open .box/tmp/NEW_imapuid", NOT_STALE, NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("open .box/tmp/NEW_imapuid", &[STALE], DONE, SILENT, DONE),
        row("fallocate .box/tmp/NEW_imapuid", &[FULL], NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("fallocate .box/tmp/NEW_imapuid", NOT_FULL, DONE, SILENT, DONE),
        row("write .box/tmp/NEW_imapuid", ALL, NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("ftruncate .box/tmp/NEW_imapuid", ALL, NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("fsync .box/tmp/NEW_imapuid", ALL, NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("rename .box/courierimapuiddb", ALL, NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("fsync .box", &[UNKNOWN], DONE, SILENT, DONE),
    ],
};

/// What is `binary` is stored as base64 (RFC 3516 4.4).
#[rustfmt::skip]
pub(crate) const APPEND_BINARY: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "APPEND INBOX.box ~{54+}\r\nSubject: x\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n",
    told: "OK [APPENDUID 556 2] APPEND Ok.",
    disk: "+.box/UIDNEXT=3 +.box/cur/NEW:2,",
    rows: &[
        row("open .box/tmp/NEW", &[FULL, DENIED, BROKEN], NO_ROOM, "creating a message in ./.box/tmp", NOTHING),
        row("write .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("fsync .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("rename .box/cur/NEW:2,", &[FULL, BROKEN], NO_ROOM, "delivering to ./.box", NOTHING),
        row("rename .box/courierimapuiddb", &[FULL, BROKEN], NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const APPEND_SEVERAL: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "APPEND INBOX.box {14+}\r\nSubject: x\r\n\r\n (\\Seen) {14+}\r\nSubject: y\r\n\r\n",
    told: "OK [APPENDUID 556 2:3] APPEND Ok.",
    disk: "+.box/UIDNEXT=4 +.box/cur/NEW:2, +.box/cur/NEW:2,S",
    rows: &[
        row("open .box/tmp/NEW #2", NOT_STALE, NO_ROOM, "creating a message in ./.box/tmp", NOTHING),
        row("write .box/tmp/NEW #2", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("fsync .box/tmp/NEW #2", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("rename .box/cur/NEW:2,", NOT_UNKNOWN, NO_ROOM, "delivering to ./.box", NOTHING),
        row("rename .box/cur/NEW:2,S", NOT_UNKNOWN, NO_ROOM, "delivering to ./.box", NOTHING),
        row("fsync .box/cur", NOT_UNKNOWN, NO_ROOM, "syncing ./.box/cur", "+.box/UIDNEXT=4"),
        row("rename .box/courierimapuiddb", ALL, NO_ROOM, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const CATENATE: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "APPEND INBOX CATENATE (URL \"/INBOX.box/;UID=1\" TEXT {3+}\r\nend)",
    told: "* 4 EXISTS | OK [APPENDUID 555 4] APPEND Ok.",
    disk: "+UIDNEXT=5 +cur/NEW:2,",
    rows: &[
        row("open .box/courierimapuiddb", NOT_STALE, NO_ROOM, "reading ./.box/courierimapuiddb", NOTHING),
        row("open .box/courierimapuiddb", &[STALE], DONE, SILENT, DONE),
        row("open .box/cur/2001.x:2,", NOT_STALE, NO_ROOM, "opening ./.box/cur/2001.x:2,", NOTHING),
        row("open .box/cur/2001.x:2,", &[STALE], DONE, SILENT, DONE),
        row("read .box/cur/2001.x:2,", NOT_STALE, NO_ROOM, "reading what CATENATE names", NOTHING),
        row("read .box/cur/2001.x:2,", &[STALE], DONE, SILENT, DONE),
        row("write tmp/NEW", ALL, NO_ROOM, "writing ./tmp/", NOTHING),
    ],
};

const COPY_FAILED: &str = "NO [ALERT] COPY failed - no write permission or out of disk space.";

#[rustfmt::skip]
pub(crate) const COPY: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "COPY 1:2 INBOX.box",
    told: "OK [COPYUID 556 1:2 2:3] COPY completed.",
    disk: "+.box/UIDNEXT=4 +.box/cur/NEW:2, +.box/cur/NEW:2,S",
    rows: &[
        row("open cur/1001.x:2,", NOT_STALE, COPY_FAILED, "cur/1001.x:2,", NOTHING),
        row("open cur/1001.x:2,", &[STALE], DONE, SILENT, DONE),
        row("link .box/tmp/NEW", ALL, DONE, SILENT, DONE),
        row("link .box/tmp/NEW #2", ALL, DONE, SILENT, DONE),
        row("always link", &[NEVER, "EMLINK", UNKNOWN], DONE, SILENT, DONE),
        row("rename .box/cur/NEW:2,S", NOT_UNKNOWN, COPY_FAILED, "delivering to ./.box", NOTHING),
        row("fsync .box/cur", NOT_UNKNOWN, COPY_FAILED, "syncing ./.box/cur", "+.box/UIDNEXT=4"),
        row("fsync .box/cur", &[UNKNOWN], DONE, SILENT, DONE),
        row("fsync .box/tmp/NEW_imapuid", ALL, COPY_FAILED, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("rename .box/courierimapuiddb", ALL, COPY_FAILED, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
    ],
};

const MOVE_FAILED: &str = "NO [ALERT] MOVE failed - no write permission or out of disk space.";
const ONE_MOVED: &str = "* OK [COPYUID 556 2 3] Ok | * 2 EXPUNGE | NO [ALERT] MOVE failed - no write permission or out of disk space.";
const BOTH_MOVED: &str = "* 2 EXPUNGE | * 3 EXPUNGE | NO [ALERT] MOVE failed - no write permission or out of disk space.";

#[rustfmt::skip]
pub(crate) const MOVE: Scene = Scene {
    files: &[("cur/1000.x:2,R", NEW_MAIL), ("courierimapuiddb", "1 555 5\n1 1001.x\n2 1002.x\n3 1003.x\n4 1000.x\n"), ("courierimapkeywords/1000.x", "work\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "UID MOVE 4,2 INBOX.box",
    told: "* OK [COPYUID 556 4,2 2:3] Ok | * 2 EXPUNGE | * 3 EXPUNGE | OK MOVE completed.",
    disk: "-courierimapkeywords/:list -cur/1000.x:2,R -cur/1002.x:2,S +.box/UIDNEXT=4 +.box/courierimapkeywords/NEW +.box/cur/NEW:2,R +.box/cur/NEW:2,S",
    rows: &[
        row("open .box/tmp/NEW_courierlock", NOT_STALE, MOVE_FAILED, "locking ./.box", NOTHING),
        row("open .box/courierimapuiddb", NOT_STALE, MOVE_FAILED, "reading ./.box/courierimapuiddb", NOTHING),
        row("getdents .box/cur", ALL, MOVE_FAILED, "reading ./.box/cur", NOTHING),
        // Nothing has moved before the UIDs are on disk.
        row("open .box/tmp/NEW_imapuid", NOT_STALE, MOVE_FAILED, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("fallocate .box/tmp/NEW_imapuid", &[FULL], MOVE_FAILED, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("write .box/tmp/NEW_imapuid", ALL, MOVE_FAILED, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        row("fsync .box/tmp/NEW_imapuid", ALL, MOVE_FAILED, "Failed to create cache file: ./.box/courierimapuiddb", NOTHING),
        // One message stays, the other moves.
        row("rename .box/courierimapkeywords/NEW", NOT_STALE, ONE_MOVED, ".box/courierimapkeywords", "-cur/1002.x:2,S +.box/UIDNEXT=4 +.box/cur/NEW:2,S"),
        row("rename .box/cur/NEW:2,R", &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES], ONE_MOVED, "moving ./cur/1000.x:2,R", "-cur/1002.x:2,S +.box/UIDNEXT=4 +.box/cur/NEW:2,S"),
        row("rename .box/cur/NEW:2,R", &[UNKNOWN, STALE], DONE, SILENT, DONE),
        row("rename .box/courierimapuiddb", ALL, BOTH_MOVED, "Failed to create cache file: ./.box/courierimapuiddb", "-courierimapkeywords/:list -cur/1000.x:2,R -cur/1002.x:2,S +.box/courierimapkeywords/NEW +.box/cur/NEW:2,R +.box/cur/NEW:2,S"),
        row("fsync .box/cur", NOT_UNKNOWN, BOTH_MOVED, "syncing ./.box/cur", DONE),
        row("fsync .box/cur", &[UNKNOWN], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const MOVE_BY_COPY: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "MOVE 2 INBOX.box",
    told: "* OK [COPYUID 556 2 2] Ok | * 2 EXPUNGE | OK MOVE completed.",
    disk: "-cur/1002.x:2,S +.box/UIDNEXT=3 +.box/cur/NEW:2,S",
    rows: &[
        // Not by a rename then.
        row("always link", &["EXDEV"], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const FETCH: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "FETCH 2 (BODY.PEEK[] INTERNALDATE)",
    told: "OK FETCH completed.",
    disk: "",
    rows: &[
        row("open cur/1002.x:2,S", NOT_STALE, "* NO [ALERT] Cannot open message 2 | NO Some of the requested messages cannot be read.", "cur/1002.x:2,S", NOTHING),
        row("open cur/1002.x:2,S", &[STALE], DONE, SILENT, NOTHING),
        row("read cur/1002.x:2,S", NOT_STALE, "* NO [ALERT] Cannot open message 2 | NO Some of the requested messages cannot be read.", "reading ./cur/1002.x:2,S", NOTHING),
        row("read cur/1002.x:2,S", &[STALE], DONE, SILENT, NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const STORE: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "STORE 2:3 +FLAGS (\\Flagged)",
    told: "* 3 FETCH (FLAGS (\\Flagged \\Seen \\Deleted)) | OK STORE completed.",
    disk: "-cur/1002.x:2,S -cur/1003.x:2,ST +cur/1002.x:2,FS +cur/1003.x:2,FST",
    rows: &[
        row("rename cur/1002.x:2,FS", &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES], "* 3 FETCH (FLAGS (\\Flagged \\Seen \\Deleted)) | NO [ALERT] Cannot store flags", "cur/1002.x:2,S", "-cur/1003.x:2,ST +cur/1003.x:2,FST"),
        row("rename cur/1003.x:2,FST", &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES], "* 2 FETCH (FLAGS (\\Flagged \\Seen)) | NO [ALERT] Cannot store flags", "cur/1003.x:2,ST", "-cur/1002.x:2,S +cur/1002.x:2,FS"),
        row("rename cur/1002.x:2,FS", &[STALE], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const FETCH_SEEN: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "FETCH 1 BODY[TEXT]",
    told: "OK FETCH completed.",
    disk: "-cur/1001.x:2, +cur/1001.x:2,S",
    rows: &[
        row("rename cur/1001.x:2,S", &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES], DONE, "cur/1001.x:2,", NOTHING),
        row("rename cur/1001.x:2,S", &[UNKNOWN, STALE], DONE, SILENT, DONE),
    ],
};

/// A message to be deleted beside the one by which every scene ends.
const DELETED: &[(&str, &str)] = &[
    ("cur/1000.x:2,T", NEW_MAIL),
    ("courierimapuiddb", "1 555 5\n1 1001.x\n2 1002.x\n3 1003.x\n4 1000.x\n"),
];

#[rustfmt::skip]
pub(crate) const EXPUNGE: Scene = Scene {
    files: DELETED,
    env: &[],
    before: "SELECT INBOX",
    command: "UID EXPUNGE 4",
    told: "* 4 EXPUNGE | OK EXPUNGE completed",
    disk: "-cur/1000.x:2,T",
    rows: &[
        row("unlink cur/1000.x:2,T", NOT_STALE, "OK EXPUNGE completed", "cur/1000.x:2,T", NOTHING),
        row("unlink cur/1000.x:2,T", &[STALE], DONE, SILENT, DONE),
        // The line in the UID file may wait.
        row("open tmp/NEW_courierlock", ALL, DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const TRASH: Scene = Scene {
    files: DELETED,
    env: &[("IMAP_MOVE_EXPUNGE_TO_TRASH", "1"), ("IMAP_TRASHFOLDERNAME", "box")],
    before: "SELECT INBOX",
    command: "UID EXPUNGE 4",
    told: "* 4 EXPUNGE | OK EXPUNGE completed",
    disk: "-cur/1000.x:2,T +.box/cur/1000.x:2,",
    rows: &[
        row("rename .box/cur/1000.x:2,", &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES], "OK EXPUNGE completed", "cur/1000.x:2,T", NOTHING),
        row("rename .box/cur/1000.x:2,", &[UNKNOWN, STALE], DONE, SILENT, DONE),
    ],
};

const NOT_REMOVED: &str =
    "NO [ALERT] Cannot remove the message - no write permission or out of disk space.";

#[rustfmt::skip]
pub(crate) const REPLACE: Scene = Scene {
    files: DELETED,
    env: &[],
    before: "SELECT INBOX",
    command: "UID REPLACE 4 INBOX.box {14+}\r\nSubject: x\r\n\r\n",
    told: "* OK [APPENDUID 556 2] Replacement Message ready | * 4 EXPUNGE | OK REPLACE completed.",
    disk: "-cur/1000.x:2,T +.box/UIDNEXT=3 +.box/cur/NEW:2,",
    rows: &[
        row("open cur/1000.x:2,T", NOT_STALE, NOT_REMOVED, "opening ./cur/1000.x:2,T", NOTHING),
        row("write .box/tmp/NEW", ALL, NO_ROOM, "writing ./.box/tmp/", NOTHING),
        row("fsync .box/cur", NOT_UNKNOWN, NO_ROOM, "syncing ./.box/cur", "+.box/UIDNEXT=3"),
        // The new one goes again, and its UID stays taken.
        row("unlink cur/1000.x:2,T", NOT_STALE, NOT_REMOVED, "removing ./cur/1000.x:2,T", "+.box/UIDNEXT=3"),
        row("unlink cur/1000.x:2,T", &[STALE], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const REPLACE_HERE: Scene = Scene {
    files: DELETED,
    env: &[],
    before: "SELECT INBOX",
    command: "UID REPLACE 4 INBOX {14+}\r\nSubject: x\r\n\r\n",
    told: "* OK [APPENDUID 555 5] Replacement Message ready | * 5 EXISTS | * 4 EXPUNGE | OK REPLACE completed.",
    disk: "-cur/1000.x:2,T +UIDNEXT=6 +cur/NEW:2,",
    rows: &[
        row("unlink cur/1000.x:2,T", NOT_STALE, NOT_REMOVED, "removing ./cur/1000.x:2,T", "+UIDNEXT=6"),
    ],
};

#[rustfmt::skip]
pub(crate) const KEYWORDS: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "STORE 2 +FLAGS (work)",
    told: "* 2 FETCH (FLAGS (\\Seen work)) | OK STORE completed.",
    disk: "+courierimapkeywords/1002.x",
    rows: &[
        row("open tmp/NEW", NOT_STALE, "NO An error occured while updating keywords", "courierimapkeywords", NOTHING),
        row("open tmp/NEW", &[STALE], DONE, SILENT, DONE),
        row("write tmp/NEW", ALL, "NO An error occured while updating keywords", "courierimapkeywords", NOTHING),
        row("rename courierimapkeywords/1002.x", ALL, "NO An error occured while updating keywords", "courierimapkeywords", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const SEARCH: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "SEARCH BODY text",
    told: "* SEARCH 1 2 3 | OK SEARCH done.",
    disk: "",
    rows: &[
        row("open cur/1002.x:2,S", NOT_STALE, "* SEARCH 1 3 | OK SEARCH done.", "cur/1002.x:2,S", NOTHING),
        row("open cur/1002.x:2,S", &[STALE], DONE, SILENT, NOTHING),
        row("read cur/1002.x:2,S", NOT_STALE, "* SEARCH 1 3 | OK SEARCH done.", "cur/1002.x:2,S", NOTHING),
        row("read cur/1002.x:2,S", &[STALE], DONE, SILENT, NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const CAREFUL: Scene = Scene {
    files: &[],
    env: &[("IMAP_KEYWORDS", "2")],
    before: "SELECT INBOX",
    command: "STORE 1 +FLAGS (work)",
    told: "* 1 FETCH (FLAGS (work)) | OK STORE completed.",
    disk: "+courierimapkeywords/1001.x",
    rows: &[
        row("open tmp/NEW_courierlock", NOT_STALE, "NO An error occured while updating keywords", "locking .", NOTHING),
        row("open tmp/NEW", NOT_STALE, "NO An error occured while updating keywords", "courierimapkeywords/1001.x", NOTHING),
        row("write tmp/NEW", ALL, "NO An error occured while updating keywords", "courierimapkeywords/1001.x", NOTHING),
        row("link courierimapkeywords/1001.x", &[FULL, BROKEN, FEW], "NO An error occured while updating keywords", "courierimapkeywords/1001.x", NOTHING),
        row("link courierimapkeywords/1001.x", &[NEVER, "EMLINK EXDEV", UNKNOWN], DONE, SILENT, DONE),
    ],
};
