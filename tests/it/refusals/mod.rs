//! Every kind of refusal by the file system, as one table ([`table`]): what the client is told,
//! what the log says, and what is on disk after. The rule is that of lib.rs, "Facts that shape the
//! store": the user can still log in, read what has a saved UID, and delete; nothing that was
//! acknowledged is lost; the log says what, where and whose, once.
//!
//! strace refuses one system call of a real session. A session that is not refused anything shows
//! which one that is ([`trace`]). Then each row is played once for each of its errors.

mod once;
mod real;
mod scene;
mod table;
pub(crate) mod trace;

use scene::{Refused, Row, Scene};
use std::fmt::Write as _;

/// Plays all rows of a scene, and tells of all that are not as the table has them.
fn play(scene: &Scene) {
    if support::programs::strace().is_none() {
        return;
    }
    let calls = scene.calls();
    let mut wrong = String::new();
    let errors = |row: &'static Row| row.errors.iter().flat_map(|errors| errors.split(' '));
    let cases = scene.rows.iter().flat_map(|row| errors(row).map(move |error| (row, error)));
    let cases: Vec<_> = cases.collect();
    // They wait more than they work (for a lock, for a poll), so some run side by side.
    for cases in cases.chunks(if scene.idles() { 8 } else { 4 }) {
        for ((row, error), played) in cases.iter().zip(play_at_once(scene, cases, &calls)) {
            if let Err(how) = played {
                let _ = writeln!(wrong, "\n=== {}: {} {error}\n{how}", scene.command, row.call);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Plays some rows, each for one error, side by side.
fn play_at_once(
    scene: &Scene,
    cases: &[(&Row, &str)],
    calls: &[trace::Call],
) -> Vec<Result<(), String>> {
    std::thread::scope(|scope| {
        let sessions: Vec<_> = cases
            .iter()
            .map(|(row, error)| scope.spawn(move || play_row(scene, row, error, calls)))
            .collect();
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    })
}

/// Plays one row for one error. An error says what was not as it should be.
fn play_row(scene: &Scene, row: &Row, error: &str, calls: &[trace::Call]) -> Result<(), String> {
    let target = trace::Target::parse(row.call);
    let refuse = |calls: &[trace::Call]| {
        let refused = Refused::of(&target, error, calls)?;
        scene.refuse(&refused, &target)
    };
    // The session that showed which call it is may have been the odd one: its SELECT fell into the
    // clock's tick in which the folder was made, or did not.
    let played = refuse(calls).or_else(|_| refuse(&scene.calls()))?;
    played.check(scene, row, error)
}

macro_rules! scenes {
    ($($test:ident: $half:ident::$scene:ident;)*) => {
        $(#[test]
        fn $test() {
            play(&table::$half::$scene);
        })*
    };
}

scenes! {
    first_select: folders::FIRST_SELECT;
    select: folders::SELECT;
    append: messages::APPEND;
    append_several: messages::APPEND_SEVERAL;
    catenate: messages::CATENATE;
    replace: messages::REPLACE;
    replace_here: messages::REPLACE_HERE;
    copy: messages::COPY;
    moving: messages::MOVE;
    moving_by_copy: messages::MOVE_BY_COPY;
    fetch: messages::FETCH;
    store: messages::STORE;
    create: folders::CREATE;
    status: folders::STATUS;
    fetch_seen: messages::FETCH_SEEN;
    expunge: messages::EXPUNGE;
    trash: messages::TRASH;
    keywords: messages::KEYWORDS;
    merge: folders::MERGE;
    delete: folders::DELETE;
    rename: folders::RENAME;
    subscribe: folders::SUBSCRIBE;
    setacl: folders::SETACL;
    lsub: folders::LSUB;
    examine: folders::EXAMINE;
    noop: folders::NOOP;
    list: folders::LIST;
    quota: folders::QUOTA;
    search: messages::SEARCH;
    careful: messages::CAREFUL;
    idle: folders::IDLE;
    setmetadata: metadata::SETMETADATA;
    setmetadata_server: metadata::SETMETADATA_SERVER;
    getmetadata: metadata::GETMETADATA;
    create_with_use: metadata::CREATE_USE;
    set_use: metadata::SET_USE;
    list_uses: metadata::LIST_USES;
    append_binary: messages::APPEND_BINARY;
}
