//! A short stress in the ordinary test command: several sessions, a delivery agent and a program
//! behind our back over one Maildir. No mail is lost, no UID ever names two messages, no session's
//! numbering contradicts what it was told, nothing is left in `tmp`. `scripts/stress` does more of
//! it, with kills and with Courier's sessions in between.

use crate::stress_engine::{Plan, World, run};

#[test]
fn sessions_and_deliveries_over_one_maildir() {
    let world = World::new(Plan { seconds: 4, sessions: 5, ..Plan::default() });
    run(&world);
    let complaints = world.complaints.lock().unwrap();
    let listing = support::maildir::listing(&world.root);
    assert!(complaints.is_empty(), "{}\n--- Maildir\n{listing}", complaints.join("\n"));
    let done = world.figures.lock().unwrap();
    let counts = [
        done.appends,
        done.deliveries,
        done.copies,
        done.moved,
        done.stores,
        done.expunges,
        done.made + done.renamed + done.deleted,
    ];
    assert!(counts.iter().all(|&n| n > 0), "the test does something: {counts:?}");
    assert!(done.pictures > 0, "no picture was compared");
}
