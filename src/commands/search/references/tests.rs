//! REFERENCES against the RFC's rules and the cases of its historical description (jwz, "message
//! threading").

use super::*;
use proptest::prelude::*;

/// `ID < a b c | subject @date`: ID may be `-`; a subject with `Re:` is a reply.
fn message<'a>(
    number: u32,
    text: &'a str,
    subjects: &mut super::super::forest::Subjects,
) -> Message<'a> {
    let (text, sent) = text
        .split_once('@')
        .map_or((text, i64::from(number)), |(t, d)| (t, d.trim().parse().unwrap()));
    let (text, subject) = text.split_once('|').unwrap_or((text, ""));
    let (id, references) = text.split_once('<').unwrap_or((text, ""));
    let base = crate::mime::subject::base_subject(subject.as_bytes());
    Message {
        number,
        sent,
        // Each arrives before the one ahead of it in the folder.
        received: -i64::from(number),
        subject: subjects.number(base.text.as_bytes()),
        is_reply: base.is_reply,
        id: Some(id.trim()).filter(|id| *id != "-").map(|id| id.as_bytes().into()),
        references: references.split_whitespace().map(|r| r.as_bytes().into()).collect(),
    }
}

fn threads(messages: &[&str]) -> String {
    let mut all = References::default();
    let mut subjects = Default::default();
    for (number, text) in (1..).zip(messages) {
        all.add(message(number, text, &mut subjects));
    }
    line(all)
}

fn line(all: References) -> String {
    crate::response::written(&crate::response::search::Threads(&all.finish().steps()))
}

#[test]
fn by_arrival() {
    for (messages, expected) in [
        (&[][..], "THREAD"),
        (&["a", "b"], "THREAD (2)(1)"),
        // The thread of the message that came last comes last; within it the sent date counts.
        (&["a @9", "b < a @8", "c < a @7", "d"], "THREAD (4)(1 (3)(2))"),
        (&["d", "a", "b < a", "c < d"], "THREAD (2 3)(1 4)"),
        // A missing top.
        (&["x", "b < a @5", "c < a @4"], "THREAD ((3)(2))(1)"),
        (&["b < a", "x", "c < a"], "THREAD (2)((1)(3))"),
        // Subjects say nothing.
        (&["a | s", "b | Re: s"], "THREAD (2)(1)"),
    ] {
        let mut all = References::default();
        let mut subjects = Default::default();
        for (number, text) in (1..).zip(messages) {
            all.add(message(number, text, &mut subjects));
        }
        let forest = all.finish_by_arrival();
        let line = crate::response::written(&crate::response::search::Threads(&forest.steps()));
        assert_eq!(line, expected, "{messages:?}");
    }
}

#[test]
fn by_references() {
    for (messages, expected) in [
        (&[][..], "THREAD"),
        (&["a"], "THREAD (1)"),
        (&["a", "b"], "THREAD (1)(2)"),
        (&["a", "b < a", "c < a b"], "THREAD (1 2 3)"),
        (&["c < a b", "b < a", "a"], "THREAD (3 2 1)"),
        (&["a", "b < a", "c < a"], "THREAD (1 (2)(3))"),
        // The missing middle is skipped, its children go up.
        (&["a", "c < a b", "d < a b"], "THREAD (1 (2)(3))"),
        // A missing top with one child is dropped, with two it shows as siblings.
        (&["b < a"], "THREAD (1)"),
        (&["b < a", "c < a"], "THREAD ((1)(2))"),
        (&["b < x a", "c < x y a2"], "THREAD ((1)(2))"),
        (&["c < a b"], "THREAD (1)"),
        (&["c < a b", "d < c"], "THREAD (1 2)"),
        // RFC 5256 3, (3): promotion to the top only of an only child; the dummy below the dummy
        // gives its two.
        (&["c < a b", "d < a b"], "THREAD ((1)(2))"),
        (&["c < a b", "d < a b", "e < a"], "THREAD ((1)(2)(3))"),
        // A truncated References line does not undo a link, but a message's own last reference
        // does.
        (&["a", "b < a", "c < b", "d < a c"], "THREAD (1 2 3 4)"),
        (&["d < a b c", "a", "b", "c < a"], "THREAD (2 4 1)(3)"),
        // Without references the parent that others assumed is given up.
        (&["c < a b", "b"], "THREAD (2 1)"),
        // No loops.
        (&["a < a"], "THREAD (1)"),
        (&["a < b", "b < a"], "THREAD (2 1)"),
        (&["a < b", "b < c", "c < a"], "THREAD (3 2 1)"),
        (&["x < a b a b c a"], "THREAD (1)"),
        // Of doubled IDs the first message has it.
        (&["a", "a", "b < a"], "THREAD (1 3)(2)"),
        (&["r", "a < r", "a < r", "b < a"], "THREAD (1 (2 4)(3))"),
        // Messages without an ID.
        (&["-", "- < a", "a"], "THREAD (1)(3 2)"),
        // Case matters.
        (&["a", "b < A"], "THREAD (1)(2)"),
        // Order is by date; a dummy goes by its first child.
        (&["a @9", "b @5", "c < x @7", "d < x @6"], "THREAD (2)((4)(3))(1)"),
        (&["a @5", "b < a @9", "c < a @7", "d < b @1"], "THREAD (1 (3)(2 4))"),
        (&["a @5", "b @5", "c < z @5", "d < z @5"], "THREAD (1)(2)((3)(4))"),
    ] {
        assert_eq!(threads(messages), expected, "{messages:?}");
    }
}

#[test]
fn by_subjects() {
    for (messages, expected) in [
        // A reply goes under the message that it answers by its subject, wherever either stands.
        (&["a | x", "b | Re: x"][..], "THREAD (1 2)"),
        (&["a | Re: x", "b | x"], "THREAD (2 1)"),
        // Two that are no replies, or two replies, stand beside each other.
        (&["a | x", "b | x"], "THREAD ((1)(2))"),
        (&["a | Re: x", "b | Re: x"], "THREAD ((1)(2))"),
        (&["a | Re: x", "b | Re: x", "c | x"], "THREAD (3 (1)(2))"),
        (&["a | x", "b | x", "c | x"], "THREAD ((1)(2)(3))"),
        // PROTOCOL 6.9's example of a common dummy.
        (
            &[
                "a | x @2",
                "b | x @4",
                "c < b | y @5",
                "d | x @3",
                "e | q @9",
                "f | q2 @9",
                "g | q3 @9",
                "h | x @1",
            ],
            "THREAD ((8)(1)(4)(2 3))(5)(6)(7)",
        ),
        // Empty subjects are not gathered, nor are those that nothing is left of.
        (&["a", "b"], "THREAD (1)(2)"),
        (&["a | Re:", "b | Fwd:"], "THREAD (1)(2)"),
        // Two dummies become one; a message joins a dummy.
        (&["a < p | x", "b < p | x", "c < q | x", "d < q | x"], "THREAD ((1)(2)(3)(4))"),
        (&["a < p | x", "b < p | y", "c | x"], "THREAD ((1)(2)(3))"),
        (&["c | x", "a < p | Re: x", "b < p | y"], "THREAD ((1)(2)(3))"),
        // Only the tops of threads are looked at.
        (&["a | x", "b < a | y", "c | y"], "THREAD (1 2)(3)"),
        (&["a | x", "b < a | Re: x", "c | Re: x", "d < c | z"], "THREAD (1 (2)(3 4))"),
        // Case does not matter, forwards are like replies.
        (&["a | Straße", "b | FWD: sTRAßE (fwd)"], "THREAD (1 2)"),
    ] {
        assert_eq!(threads(messages), expected, "{messages:?}");
    }
}

#[test]
fn large() {
    fn name(n: u32) -> MessageId<'static> {
        n.to_string().into_bytes().into()
    }
    let plain = |n: u32, references| Message {
        number: n,
        id: Some(name(n)),
        references,
        ..Message::default()
    };
    const N: u32 = 20_000;
    // A chain, from its head and from its end.
    let mut all = References::default();
    (1..=N).for_each(|n| all.add(plain(n, vec![name(n - 1)])));
    assert!(line(all).starts_with("THREAD (1 2 3 4 "));
    let mut all = References::default();
    (1..=N).for_each(|n| all.add(plain(n, vec![name(n + 1)])));
    assert!(line(all).starts_with("THREAD (20000 19999 "));
    // Links to the end of a deep chain that each ask whether they make a loop.
    let mut all = References::default();
    (1..=N).for_each(|n| all.add(plain(n, vec![name(n - 1)])));
    (1..200).for_each(|n| {
        all.add(Message {
            number: N + n,
            references: vec![[name(0), name(N)]; 50].concat(),
            ..Message::default()
        })
    });
    assert!(line(all).starts_with("THREAD (1 2 3 4 "));
    // A dummy with a hundred thousand children, under a chain of dummies.
    let mut all = References::default();
    all.add(plain(1, (N + 1..=2 * N).map(name).collect()));
    (2..=N).for_each(|n| all.add(plain(n, vec![name(2 * N)])));
    assert!(line(all).starts_with("THREAD ((1)(2)(3)"));
}

proptest! {
    #[test]
    fn every_message_once(messages in proptest::collection::vec(
        (0u8..10, proptest::collection::vec(0u8..10, 0..5), 0u32..4, any::<bool>(), 0i64..6), 0..24)) {
        let mut all = References::default();
        let count = messages.len() as u32;
        for (number, (id, references, subject, is_reply, sent)) in (1..).zip(messages) {
            let id = (id > 0).then(|| vec![id].into());
            let references = references.into_iter().map(|r| vec![r].into()).collect();
            all.add(Message { number, sent, received: sent, subject, is_reply, id, references });
        }
        let line = line(all);
        let mut numbers: Vec<u32> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|w| w.parse().ok()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{}", line);
        prop_assert!(!line.contains("()") && !line.contains(" )"), "{}", line);
    }
}
