//! Annotations are changed.

use super::super::scene::Scene;
use super::*;

const NOT_SAVED: &str = "NO Cannot save the annotations.";
const NO_ROOM: &str = "NO Cannot save the annotations: out of disk space.";
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
