//! Folders are opened, looked at, made, renamed and removed.

use super::super::scene::Scene;
use super::*;

const UNABLE: &str = "NO Unable to open this mailbox.";
/// The message without a UID is not shown.
const HIDDEN: &str = "* 1 EXISTS | OK [READ-WRITE] Ok";
const MOVED: &str = "-.box/new/2002.x +.box/cur/2002.x:2,";

/// Nobody has opened the folder yet: there is no state.
#[rustfmt::skip]
pub(crate) const FIRST_SELECT: Scene = Scene {
    files: &[(".box/new/2002.x", NEW_MAIL)],
    env: &[],
    before: "SELECT INBOX",
    command: "SELECT INBOX.box",
    told: "* 2 EXISTS | OK [READ-WRITE] Ok",
    disk: "-.box/new/2002.x +.box/UIDNEXT=3 +.box/cur/2002.x:2,",
    rows: &[
        row("open .box/tmp/NEW_courierlock", NOT_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("open .box/tmp/NEW_courierlock", &[STALE], DONE, SILENT, DONE),
        row("write .box/tmp/NEW_courierlock", NEITHER_FULL_NOR_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("write .box/tmp/NEW_courierlock", &[FULL, STALE], DONE, SILENT, DONE),
        row("stat .box/tmp/NEW_courierlock", NOT_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("stat .box/tmp/NEW_courierlock", &[STALE], DONE, SILENT, DONE),
        row("close .box/tmp/NEW_courierlock", NEITHER_FULL_NOR_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("close .box/tmp/NEW_courierlock", &[FULL, STALE], DONE, SILENT, DONE),
        row("link .box/tmp/courier.lock", &[FULL, "EACCES", NEVER, "EMLINK EXDEV", UNKNOWN, STALE], DONE, SILENT, DONE),
        row("link .box/tmp/courier.lock", &["EROFS", BROKEN, FEW, "ENAMETOOLONG"], HIDDEN, "./.box/tmp", NOTHING),
        // Without the lock, then with it.
        row("open .box/courierimapuiddb", ALL, DONE, SILENT, DONE),
        row("read .box/courierimapuiddb", ALL, DONE, SILENT, DONE),
        row("open .box/courierimapuiddb #2", NOT_STALE, UNABLE, "reading ./.box/courierimapuiddb", NOTHING),
        row("open .box/courierimapuiddb #2", &[STALE], DONE, SILENT, DONE),
        row("read .box/courierimapuiddb #2", NOT_STALE, UNABLE, "reading ./.box/courierimapuiddb", NOTHING),
        row("read .box/courierimapuiddb #2", &[STALE], DONE, SILENT, DONE),
        // Without a state the folder is served as well.
        row("always open .box/postrider.state", ALL, DONE, SILENT, DONE),
        row("open .box/tmp/NEW_state", ALL, DONE, "or silent postrider.state", DONE),
        row("close .box/tmp/NEW_state", ALL, DONE, "or silent postrider.state", DONE),
        row("rename .box/postrider.state", ALL, DONE, "or silent postrider.state", DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const SELECT: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX.box\nSELECT INBOX\ndeliver .box/new/2002.x",
    command: "SELECT INBOX.box",
    told: "* 2 EXISTS | OK [READ-WRITE] Ok",
    disk: "-.box/new/2002.x +.box/UIDNEXT=3 +.box/cur/2002.x:2,",
    rows: &[
        // Whether it is there is looked up once more.
        row("open .box", &[BROKEN, FEW, STALE], DONE, SILENT, DONE),
        // It is read in another way, then.
        row("open .box/courierimapacl", ALL, DONE, SILENT, DONE),
        row("read .box/courierimapacl", ALL, DONE, SILENT, DONE),
        row("open .box/tmp", ALL, DONE, SILENT, DONE),
        row("open .box/tmp/NEW_courierlock", NOT_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("open .box/tmp/NEW_courierlock", &[STALE], DONE, SILENT, DONE),
        row("write .box/tmp/NEW_courierlock", NEITHER_FULL_NOR_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("write .box/tmp/NEW_courierlock", &[FULL, STALE], DONE, SILENT, DONE),
        row("stat .box/tmp/NEW_courierlock", NOT_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("stat .box/tmp/NEW_courierlock", &[STALE], DONE, SILENT, DONE),
        row("close .box/tmp/NEW_courierlock", NEITHER_FULL_NOR_STALE, HIDDEN, "./.box/tmp", NOTHING),
        row("close .box/tmp/NEW_courierlock", &[FULL, STALE], DONE, SILENT, DONE),
        row("link .box/tmp/courier.lock", &[FULL, "EACCES", NEVER, "EMLINK EXDEV", UNKNOWN, STALE], DONE, SILENT, DONE),
        row("link .box/tmp/courier.lock", &["EROFS", BROKEN, FEW, "ENAMETOOLONG"], HIDDEN, "./.box/tmp", NOTHING),
        row("stat .box/tmp/NEW_courierlock #2", ALL, DONE, SILENT, DONE),
        row("unlink .box/tmp/courier.lock", NOT_STALE, DONE, "./.box/tmp/courier.lock", "-.box/new/2002.x +.box/UIDNEXT=3 +.box/cur/2002.x:2, +.box/tmp/courier.lock"),
        row("access .box", &[BROKEN, FEW, FULL, NAMES, UNKNOWN, STALE], DONE, SILENT, DONE),
        // Without the lock, then with it.
        row("open .box/courierimapuiddb", ALL, DONE, SILENT, DONE),
        row("read .box/courierimapuiddb", ALL, DONE, SILENT, DONE),
        row("open .box/courierimapuiddb #2", NOT_STALE, UNABLE, "reading ./.box/courierimapuiddb", NOTHING),
        row("open .box/courierimapuiddb #2", &[STALE], DONE, SILENT, DONE),
        row("read .box/courierimapuiddb #2", NOT_STALE, UNABLE, "reading ./.box/courierimapuiddb", NOTHING),
        row("read .box/courierimapuiddb #2", &[STALE], DONE, SILENT, DONE),
        row("open .box/cur", NOT_STALE, UNABLE, "opening ./.box/cur", NOTHING),
        row("open .box/cur", &[STALE], DONE, SILENT, DONE),
        // Whether it is as the state says, then to read it.
        row("stat .box/cur", ALL, DONE, SILENT, DONE),
        row("stat .box/cur #2", ALL, UNABLE, "reading ./.box/cur", NOTHING),
        row("getdents .box/cur", ALL, UNABLE, "reading ./.box/cur", NOTHING),
        row("open .box/new", NOT_STALE, HIDDEN, "./.box/new", NOTHING),
        row("open .box/new", &[STALE], DONE, SILENT, DONE),
        row("getdents .box/new", ALL, HIDDEN, "./.box/new", NOTHING),
        row("open .box/tmp/NEW_imapuid", NOT_STALE, HIDDEN, "./.box/courierimapuiddb", NOTHING),
        row("open .box/tmp/NEW_imapuid", &[STALE], DONE, SILENT, DONE),
        row("fallocate .box/tmp/NEW_imapuid", &[FULL], HIDDEN, "./.box/courierimapuiddb", NOTHING),
        row("fallocate .box/tmp/NEW_imapuid", NOT_FULL, DONE, SILENT, DONE),
        row("rename .box/cur/2002.x:2,", &[FULL, DENIED, NEVER, BROKEN, FEW, "EMLINK EXDEV"], HIDDEN, "./.box/new", NOTHING),
        row("rename .box/cur/2002.x:2,", &["ENAMETOOLONG"], DONE, SILENT, "-.box/new/2002.x +.box/UIDNEXT=3 +.box/cur/NEW:2,"),
        row("rename .box/cur/2002.x:2,", &[UNKNOWN], DONE, SILENT, DONE),
        row("write .box/tmp/NEW_imapuid", ALL, HIDDEN, "./.box/courierimapuiddb", MOVED),
        row("ftruncate .box/tmp/NEW_imapuid", ALL, HIDDEN, "./.box/courierimapuiddb", MOVED),
        row("fsync .box/tmp/NEW_imapuid", ALL, HIDDEN, "./.box/courierimapuiddb", MOVED),
        row("close .box/tmp/NEW_imapuid", ALL, HIDDEN, "./.box/courierimapuiddb", MOVED),
        row("rename .box/courierimapuiddb", ALL, HIDDEN, "./.box/courierimapuiddb", MOVED),
        row("fsync .box", NOT_UNKNOWN, HIDDEN, "./.box/courierimapuiddb", DONE),
        row("always fsync .box", &[UNKNOWN], DONE, SILENT, DONE),
        row("mkdir .box/courierimapkeywords", ALL, DONE, SILENT, DONE),
        row("open .box/courierimapkeywords", NOT_STALE, DONE, "./.box/courierimapkeywords", DONE),
        row("open .box/courierimapkeywords", &[STALE], DONE, SILENT, DONE),
        row("getdents .box/courierimapkeywords", ALL, DONE, "./.box/courierimapkeywords", DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const CREATE: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "CREATE INBOX.made",
    told: "OK \"INBOX.made\" created.",
    disk: "+.made/",
    rows: &[
        row("mkdir tmp/NEW_folder", &[FULL, "EROFS", BROKEN, FEW, NAMES, UNKNOWN, STALE], "NO Cannot create this folder.", "creating ./.made", NOTHING),
        row("mkdir tmp/NEW_folder/cur", &[FULL, "EROFS", BROKEN, FEW, NAMES, UNKNOWN, STALE], "NO Cannot create this folder.", "creating ./.made", NOTHING),
        row("open tmp/NEW_folder/maildirfolder", &[FULL, "EROFS", BROKEN, FEW, NAMES, UNKNOWN], "NO Cannot create this folder.", "creating ./.made", NOTHING),
        row("rename .made", &[FULL, DENIED, NEVER, BROKEN, FEW, "ENAMETOOLONG EMLINK", STALE], "NO Cannot create this folder.", "creating ./.made", NOTHING),
        row("rename .made", &["EXDEV", UNKNOWN], DONE, SILENT, DONE),
        row("fsync .made", NOT_UNKNOWN, "NO Cannot create this folder.", "creating ./.made", NOTHING),
        row("fsync .made", &[UNKNOWN], DONE, SILENT, DONE),
        row("fsync .", &[UNKNOWN], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const STATUS: Scene = Scene {
    files: &[(".box/new/2002.x", NEW_MAIL)],
    env: &[],
    before: "SELECT INBOX",
    command: "STATUS INBOX.box (MESSAGES UIDNEXT)",
    told: "* STATUS \"INBOX.box\" (MESSAGES 2 UIDNEXT 3) | OK STATUS Completed.",
    disk: "",
    rows: &[
        // Without the lock, then with it.
        row("open .box/courierimapuiddb", ALL, DONE, SILENT, DONE),
        row("open .box/cur", ALL, DONE, SILENT, DONE),
        row("open .box/new", NOT_STALE, "* STATUS \"INBOX.box\" (MESSAGES 1 UIDNEXT 2) | OK STATUS Completed.", "./.box/new", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const MERGE: Scene = Scene {
    files: &[(".box/courierimapkeywords/2001.x", "work\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "SELECT INBOX.box",
    told: "* FLAGS (work \\Draft \\Answered \\Flagged \\Deleted \\Seen \\Recent) | OK [READ-WRITE] Ok",
    disk: "-.box/courierimapkeywords/2001.x +.box/courierimapkeywords/.N.2001.x +.box/courierimapkeywords/:list",
    rows: &[
        row("open .box/tmp/NEW", NOT_STALE, DONE, ".box/courierimapkeywords", NOTHING),
        row("open .box/tmp/NEW", &[STALE], DONE, SILENT, DONE),
        row("write .box/tmp/NEW", ALL, DONE, ".box/courierimapkeywords", NOTHING),
        row("fsync .box/tmp/NEW", ALL, DONE, ".box/courierimapkeywords", NOTHING),
        row("rename .box/courierimapkeywords/:list", ALL, DONE, ".box/courierimapkeywords", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const DELETE: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "DELETE INBOX.box",
    told: "OK Folder deleted.",
    disk: "-.box/",
    rows: &[
        // Then it is removed in its place.
        row("rename tmp/NEW_deleted", NOT_STALE, DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const RENAME: Scene = Scene {
    files: &[(".box.sub/cur/3001.x:2,", NEW_MAIL)],
    env: &[],
    before: "SELECT INBOX",
    command: "RENAME INBOX.box INBOX.moved",
    told: "OK Folder renamed.",
    disk: "-.box.sub/ -.box/ +.moved.sub/ +.moved/",
    rows: &[
        row("rename .moved", &[FULL, DENIED, NEVER, BROKEN, FEW, NAMES], "NO RENAME failed: ", "renaming", NOTHING),
        row("rename .moved", &[UNKNOWN], DONE, SILENT, DONE),
        // No half of a tree is renamed.
        row("open .box.sub", &[DENIED, BROKEN, FEW], "NO RENAME failed: ", "renaming in .", NOTHING),
        row("fsync .", &[UNKNOWN], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const SUBSCRIBE: Scene = Scene {
    files: &[("courierimapsubscribed", "INBOX.one\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "SUBSCRIBE INBOX.box",
    told: "OK Folder subscribed.",
    disk: "*courierimapsubscribed",
    rows: &[
        row("open courierimapsubscribed", NOT_STALE, "NO Cannot subscribe to this folder.", "subscri", NOTHING),
        row("open courierimapsubscribed", &[STALE], DONE, SILENT, DONE),
        row("open tmp/NEW_imapsubscribe0", NOT_STALE, "NO Cannot subscribe to this folder.", "subscri", NOTHING),
        row("open tmp/NEW_imapsubscribe0", &[STALE], DONE, SILENT, DONE),
        row("write tmp/NEW_imapsubscribe0", ALL, "NO Cannot subscribe to this folder.", "subscri", NOTHING),
        row("rename courierimapsubscribed", ALL, "NO Cannot subscribe to this folder.", "subscri", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const SETACL: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "SETACL INBOX.box anyone lr",
    told: "OK ACLs updated.",
    disk: "*.box/courierimapacl",
    rows: &[
        row("open .box/tmp/NEW_acl", NOT_STALE, "NO ", "access control list", NOTHING),
        row("open .box/tmp/NEW_acl", &[STALE], DONE, SILENT, DONE),
        row("write .box/tmp/NEW_acl", ALL, "NO ", "access control list", NOTHING),
        row("rename .box/courierimapacl", ALL, "NO ", "access control list", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const LSUB: Scene = Scene {
    files: &[("courierimapsubscribed", "INBOX.box\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "LSUB \"\" *",
    told: "OK LSUB completed",
    disk: "",
    rows: &[
        row("open courierimapsubscribed", NOT_STALE, "NO LSUB failed", "subscribed", NOTHING),
        row("open courierimapsubscribed", &[STALE], DONE, SILENT, DONE),
        row("read courierimapsubscribed", NOT_STALE, "NO LSUB failed", "subscribed", NOTHING),
        row("read courierimapsubscribed", &[STALE], DONE, SILENT, DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const EXAMINE: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX.box\nSELECT INBOX\ndeliver .box/new/2002.x",
    command: "EXAMINE INBOX.box",
    told: "* 2 EXISTS | OK [READ-ONLY] Ok",
    disk: "-.box/new/2002.x +.box/UIDNEXT=3 +.box/cur/2002.x:2,",
    rows: &[
        row("open .box/tmp/NEW_courierlock", &[DENIED, NEVER], "* 1 EXISTS | OK [READ-ONLY] Ok", SILENT, NOTHING),
        row("open .box/tmp/NEW_courierlock", &[FULL, BROKEN, FEW, NAMES, UNKNOWN], "* 1 EXISTS | OK [READ-ONLY] Ok", "./.box/tmp", NOTHING),
        row("open .box/tmp/NEW_imapuid", NOT_STALE, "* 1 EXISTS | OK [READ-ONLY] Ok", "./.box/courierimapuiddb", NOTHING),
        row("open .box/cur", NOT_STALE, UNABLE, "opening ./.box/cur", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const NOOP: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX\nstir cur",
    command: "NOOP",
    told: "OK NOOP completed",
    disk: "",
    rows: &[
        row("open .", &[FULL, DENIED, BROKEN, FEW, NAMES, UNKNOWN], DONE, "opening .", NOTHING),
        row("open .", &[NEVER, STALE], DONE, SILENT, NOTHING),
        // What fails without the lock is tried again under it. A scan that has something to write
        // begins there: that depends on the clock's tick.
        row("open cur", ALL, DONE, "or silent ./cur", NOTHING),
        row("getdents cur", ALL, DONE, "or silent ./cur", NOTHING),
        row("open courierimapuiddb", ALL, DONE, "or silent ./courierimapuiddb", NOTHING),
        row("open new", NOT_STALE, DONE, "./new", NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const LIST: Scene = Scene {
    files: &[],
    env: &[],
    before: "SELECT INBOX",
    command: "LIST \"\" *",
    told: "* LIST (\\HasNoChildren) \".\" \"INBOX.box\" | OK LIST completed",
    disk: "",
    rows: &[
        // INBOX is listed all the same, as Courier does it.
        row("open .", &[FULL, DENIED, BROKEN, FEW, NAMES, UNKNOWN], "* LIST (\\Marked \\HasNoChildren) \".\" \"INBOX\" | OK LIST completed", ".", NOTHING),
        row("getdents .", ALL, "* LIST (\\Marked \\HasNoChildren) \".\" \"INBOX\" | OK LIST completed", ".", NOTHING),
        // It is read in another way, then.
        row("open .box/courierimapacl", ALL, DONE, SILENT, NOTHING),
        row("read .box/courierimapacl", ALL, DONE, SILENT, NOTHING),
    ],
};

#[rustfmt::skip]
pub(crate) const QUOTA: Scene = Scene {
    files: &[("maildirsize", "1000000S\n100 3\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "GETQUOTAROOT INBOX",
    told: "* QUOTAROOT \"INBOX\" \"ROOT\" | OK GETQUOTAROOT Ok.",
    disk: "",
    rows: &[
        row("open maildirsize", NOT_STALE, "OK GETQUOTAROOT Ok.", "./maildirsize", NOTHING),
        row("read maildirsize", NOT_STALE, "OK GETQUOTAROOT Ok.", "./maildirsize", NOTHING),
    ],
};

/// Without the kernel's notification the times of the directories tell of it.
const POLLED: &str = "+ entering idle mode | * 4 EXISTS | * 1 RECENT | * 4 FETCH (FLAGS (\\Recent)) | OK IDLE completed";

#[rustfmt::skip]
pub(crate) const IDLE: Scene = Scene {
    files: &[],
    env: &[("IMAP_CAPABILITY", "IMAP4rev1 UIDPLUS IDLE"), ("IMAP_IDLE_TIMEOUT", "3600")],
    before: "SELECT INBOX",
    command: "IDLE",
    told: "+ entering ENHANCED idle mode | * 4 EXISTS | * 1 RECENT | * 4 FETCH (FLAGS (\\Recent)) | OK IDLE completed",
    disk: "+UIDNEXT=5 +cur/1004.x:2,",
    rows: &[
        row("inotify", &["ENFILE", DENIED, NEVER, BROKEN], POLLED, "alice: inotify", DONE),
        row("watch", &["EDQUOT", BROKEN, NEVER, DENIED], POLLED, "alice: inotify", DONE),
        row("watch #4", &["ENOSPC", "EACCES"], POLLED, "alice: inotify", DONE),
        // The times before the watch.
        row("open .", &[BROKEN, STALE], DONE, SILENT, DONE),
        // To watch.
        row("open cur", &[BROKEN], POLLED, "alice: inotify", DONE),
        row("open cur", &[STALE], DONE, SILENT, DONE),
        row("open . #2", &[BROKEN, FEW], POLLED, "alice: inotify", DONE),
        row("open . #2", &[STALE], DONE, SILENT, DONE),
        // The times after it.
        row("open . #3", &[BROKEN], POLLED, SILENT, DONE),
        // To scan.
        row("open . #4", &[BROKEN, FEW], DONE, "opening .", DONE),
        // To scan what has arrived.
        row("getdents new", &[BROKEN], DONE, "./new", DONE),
        row("getdents cur", &[BROKEN], DONE, "reading ./cur", DONE),
        row("open tmp/NEW_courierlock", &["ENOSPC"], DONE, "./tmp", DONE),
        row("rename cur/1004.x:2,", &["ENOSPC"], DONE, "./new", DONE),
    ],
};
