//! Every file in `tests/dialogs/` is a test of our binary: sessions as a reader would type them,
//! with exact answers. Each is played twice: as we are shipped, and on Courier's wire
//! (`IMAP_EXTENSIONS=0`).
//!
//! `cargo test --test dialogs [FILTER]` plays those whose name contains FILTER.
//! `scripts/compare-courier` plays the same files on Courier's server and on ours.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use std::process::ExitCode;
use support::dialog::play::{Server, play};
use support::dialog::{Dialog, Speaker, name_of, paths};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A dialog waits more than it works.
    let threads = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    arguments.test_threads.get_or_insert(threads);
    let dialogs = paths(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"));
    let trials = dialogs.into_iter().flat_map(|path| {
        let dialog = Dialog::load(&path);
        [("shipped", Speaker::Postrider), ("courier-wire", Speaker::CourierWire)]
            .into_iter()
            .filter(|(_, speaker)| dialog.as_ref().map_or(true, |dialog| dialog.is_for(*speaker)))
            .map(|(kind, speaker)| {
                let dialog = dialog.clone();
                Trial::test(name_of(&path), move || test(&dialog?, speaker)).with_kind(kind)
            })
            .collect::<Vec<_>>()
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn test(dialog: &Dialog, speaker: Speaker) -> Result<(), Failed> {
    let server = Server { speaker, program: &support::postrider() };
    let outcome = play(dialog, [server; 2], false);
    if outcome.failures.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n{}", outcome.failures.join("\n"), outcome.story).into())
}
