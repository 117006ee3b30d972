//! Annotations and special uses are set and read.

use super::super::scene::Scene;
use super::*;

const NOT_SAVED: &str = "NO Cannot save the annotations.";
const NO_ROOM: &str = "NO Cannot save the annotations: out of disk space.";
const NOT_READ: &str = "NO Cannot read the annotations.";
const NO_USE: &str = "NO Cannot set the special use of this folder.";
const WITHOUT_USE: &str = "* LIST (\\HasNoChildren) \".\" \"INBOX.old\" | OK LIST completed";
const USES: &str = "special uses";
const OF_ACCOUNT: &str = "annotations in ./postrider-metadata-account";
const ANNOTATIONS: &str = "annotations in ./.box/postrider-metadata";

#[rustfmt::skip]
pub(crate) const SETMETADATA: Scene = Scene {
    files: &[(".box/postrider-metadata", "postrider-metadata 1\n1 /shared/comment\nx\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "SETMETADATA INBOX.box (/shared/comment \"y\" /private/comment \"z\")",
    told: "OK SETMETADATA completed.",
    disk: "+.box/postrider-metadata-private *.box/postrider-metadata",
    rows: &[
        row("open .box/postrider-metadata", &[FULL], NO_ROOM, ANNOTATIONS, NOTHING),
        row("open .box/postrider-metadata", &[DENIED, NEVER, BROKEN, FEW, NAMES, UNKNOWN], NOT_SAVED, ANNOTATIONS, NOTHING),
        row("read .box/postrider-metadata", &[FULL], NO_ROOM, ANNOTATIONS, NOTHING),
        row("read .box/postrider-metadata", &[DENIED, NEVER, BROKEN, FEW, NAMES, UNKNOWN], NOT_SAVED, ANNOTATIONS, NOTHING),
        row("open .box/tmp/NEW_metadata", &[FULL], NO_ROOM, ANNOTATIONS, NOTHING),
        row("write .box/tmp/NEW_metadata", &[FULL], NO_ROOM, ANNOTATIONS, NOTHING),
        row("write .box/tmp/NEW_metadata", &[DENIED, NEVER, BROKEN, FEW], NOT_SAVED, ANNOTATIONS, NOTHING),
        row("fsync .box/tmp/NEW_metadata", &[BROKEN], NOT_SAVED, ANNOTATIONS, NOTHING),
        row("write .box/tmp/NEW_metadata #2", &[FULL], NO_ROOM, ANNOTATIONS, NOTHING),
        row("rename .box/postrider-metadata", &[DENIED, BROKEN], NOT_SAVED, ANNOTATIONS, NOTHING),
        // What was put in its place before is taken back.
        row("rename .box/postrider-metadata-private", &[DENIED, BROKEN], NOT_SAVED, ANNOTATIONS, NOTHING),
        row("fsync .box", &[BROKEN], DONE, "./.box", DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const SETMETADATA_SERVER: Scene = Scene {
    files: &[("postrider-metadata-account", "postrider-metadata 1\n1 /private/comment\nx\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "SETMETADATA \"\" (/private/comment \"z\" /private/vendor/a/b \"y\")",
    told: "OK SETMETADATA completed.",
    disk: "*postrider-metadata-account",
    rows: &[
        row("open postrider-metadata-account", &[BROKEN, FEW], NOT_SAVED, OF_ACCOUNT, NOTHING),
        row("read postrider-metadata-account", &[BROKEN], NOT_SAVED, OF_ACCOUNT, NOTHING),
        row("open tmp/NEW_metadata", &[FULL], NO_ROOM, OF_ACCOUNT, NOTHING),
        row("write tmp/NEW_metadata", &[FULL], NO_ROOM, OF_ACCOUNT, NOTHING),
        row("fsync tmp/NEW_metadata", &[BROKEN], NOT_SAVED, OF_ACCOUNT, NOTHING),
        row("rename postrider-metadata-account", &[DENIED, BROKEN], NOT_SAVED, OF_ACCOUNT, NOTHING),
        row("fsync .", &[BROKEN], DONE, ".", DONE),
    ],
};

#[rustfmt::skip]
pub(crate) const GETMETADATA: Scene = Scene {
    files: &[(".box/postrider-metadata", "postrider-metadata 1\n1 /shared/comment\nx\n")],
    env: &[],
    before: "SELECT INBOX",
    command: "GETMETADATA INBOX.box (/shared/comment /private/comment)",
    told: "* METADATA \"INBOX.box\" (/shared/comment \"x\" /private/comment NIL) | OK GETMETADATA completed.",
    disk: NOTHING,
    rows: &[
        row("open .box/postrider-metadata", NOT_STALE, NOT_READ, "./.box/postrider-metadata", NOTHING),
        row("read .box/postrider-metadata", NOT_STALE, NOT_READ, "./.box/postrider-metadata", NOTHING),
        row("open .box/postrider-metadata-private", NOT_STALE, NOT_READ, "./.box/postrider-metadata-private", NOTHING),
    ],
};

/// A folder that has a use already, which it loses.
const SENT: &[(&str, &str)] = &[
    ("postrider-specialuses", "1 old\n"),
    (".old/postrider-specialuse", "\\Sent\n"),
    (".old/courierimapacl", "owner aceilrstwx\nadministrators aceilrstwx\n"),
    (".old/cur/3001.x:2,", NEW_MAIL),
];

#[rustfmt::skip]
pub(crate) const CREATE_USE: Scene = Scene {
    files: SENT,
    env: &[],
    before: "SELECT INBOX",
    command: "CREATE INBOX.made (USE (\\Sent))",
    told: "OK \"INBOX.made\" created.",
    disk: "+.made/ *.old/postrider-specialuse *postrider-specialuses",
    rows: &[
        row("open postrider-specialuses", &[DENIED, BROKEN, FEW], NO_USE, USES, NOTHING),
        row("read postrider-specialuses", &[BROKEN], NO_USE, USES, NOTHING),
        row("open tmp/NEW_specialuse", &[FULL, DENIED, BROKEN], NO_USE, USES, NOTHING),
        row("write tmp/NEW_specialuse", &[FULL, BROKEN], NO_USE, USES, NOTHING),
        row("rename postrider-specialuses", &[FULL, DENIED, BROKEN], NO_USE, USES, NOTHING),
        // That it may have a use is no harm.
        row("open .made/tmp/NEW_specialuse", &[FULL, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        row("write .made/tmp/NEW_specialuse", &[FULL, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        row("fsync .made/tmp/NEW_specialuse", &[FULL, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        row("rename .made/postrider-specialuse", &[FULL, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        // One that cannot be read counts as one without any use.
        row("open .old/postrider-specialuse", &[DENIED, BROKEN], DONE, "./.old", "+.made/ *postrider-specialuses"),
        row("write .old/tmp/NEW_specialuse", &[FULL, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        row("rename .old/postrider-specialuse", &[FULL, DENIED, BROKEN], NO_USE, USES, "*postrider-specialuses"),
    ],
};

#[rustfmt::skip]
pub(crate) const SET_USE: Scene = Scene {
    files: SENT,
    env: &[],
    before: "SELECT INBOX",
    command: "SETMETADATA INBOX.box (/private/specialuse \"\\\\Sent\" /private/comment \"z\")",
    told: "OK SETMETADATA completed.",
    disk: "+.box/postrider-metadata-private +.box/postrider-specialuse *.old/postrider-specialuse *postrider-specialuses",
    rows: &[
        row("rename .box/postrider-metadata-private", &[FULL], NO_ROOM, "annotations in ./.box/postrider-metadata-private", NOTHING),
        row("rename postrider-specialuses", &[FULL, DENIED, BROKEN], NO_USE, USES, NOTHING),
        // All of it or nothing.
        row("rename .box/postrider-specialuse", &[FULL, DENIED, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        row("open .old/tmp/NEW_specialuse", &[FULL, DENIED, BROKEN], NO_USE, USES, "*postrider-specialuses"),
        row("rename .old/postrider-specialuse", &[FULL, DENIED, BROKEN], NO_USE, USES, "*postrider-specialuses"),
    ],
};

#[rustfmt::skip]
pub(crate) const LIST_USES: Scene = Scene {
    files: SENT,
    env: &[],
    before: "SELECT INBOX",
    command: "LIST \"\" INBOX.old RETURN (SPECIAL-USE)",
    told: "* LIST (\\HasNoChildren \\Sent) \".\" \"INBOX.old\" | OK LIST completed",
    disk: NOTHING,
    rows: &[
        // The folder is shown.
        row("open postrider-specialuses", NOT_STALE, WITHOUT_USE, "./postrider-specialuses", NOTHING),
        row("read postrider-specialuses", NOT_STALE, WITHOUT_USE, "./postrider-specialuses", NOTHING),
        row("open .old/postrider-specialuse", NOT_STALE, WITHOUT_USE, "./.old", NOTHING),
        row("read .old/postrider-specialuse", NOT_STALE, WITHOUT_USE, "./.old", NOTHING),
    ],
};
