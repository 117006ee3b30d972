//! What a client has received when a session ends, wherever that happens.

use super::*;
use crate::wire::connection::MemoryConnection;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// What a wait for room ends with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// Room for so many bytes.
    Room(usize),
    /// A signal: from now on it ends every wait except those that ignore signals.
    Signal,
    /// The client has not read for a minute.
    Gone,
}

/// A client that takes what it has room for.
#[derive(Default)]
struct Slow {
    turns: VecDeque<Turn>,
    room: usize,
    signalled: bool,
    must_wait: bool,
    received: Rc<RefCell<Vec<u8>>>,
    /// What was noted last: the bytes that may still be sent, and whether mid-response.
    noted: Rc<RefCell<(Vec<u8>, bool)>>,
}

impl Slow {
    fn turn(&mut self, last: bool) -> Result<Events, End> {
        if self.signalled && !last {
            return Err(End::Signal);
        }
        match self.turns.pop_front() {
            Some(Turn::Room(n)) => self.room += n,
            Some(Turn::Signal) => {
                self.signalled = true;
                return if last { Ok(Events::default()) } else { Err(End::Signal) };
            }
            Some(Turn::Gone) => return Err(End::Closed),
            None => self.room += 1 << 30,
        }
        Ok(Events { output: true, ..Events::default() })
    }
}

impl Connection for Slow {
    fn wait(
        &mut self,
        wants: Events,
        _: Option<BorrowedFd<'_>>,
        _: Option<Duration>,
    ) -> Result<Events, End> {
        if wants.output { self.turn(false) } else { Ok(wants) }
    }
    fn wait_without_signals(&mut self, _: Duration) -> Result<bool, End> {
        self.turn(true).map(|ready| ready.output)
    }
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = data.len().min(self.room);
        self.room -= n;
        self.received.borrow_mut().extend_from_slice(data.get(..n).unwrap());
        Ok(n)
    }
    fn must_wait(&self) -> bool {
        self.must_wait
    }
    fn note_unsent(&mut self, unsent: &[u8], mid_response: bool) {
        *self.noted.borrow_mut() = (unsent.to_vec(), mid_response);
    }
    fn hang_up(&mut self, _: Duration) {}
}

fn bye(io: &mut Io) {
    io.out().extend_from_slice(BYE_LINE);
    io.end_response();
}

const BYE_LINE: &[u8] = b"* BYE now\r\n";

/// Runs a session with a slow client, closes it, and returns what the client has received.
fn received(turns: &[Turn], run: impl FnOnce(&mut Io)) -> String {
    let slow = Slow { turns: turns.iter().copied().collect(), ..Slow::default() };
    let received = Rc::clone(&slow.received);
    let mut io = Io::new(Box::new(slow));
    run(&mut io);
    io.close(bye);
    drop(io);
    let received = received.borrow();
    String::from_utf8_lossy(&received).into_owned()
}

fn respond(io: &mut Io, text: &str) {
    io.out().extend_from_slice(text.as_bytes());
    io.end_response();
}

#[test]
fn finished_answers_come_before_the_goodbye() {
    let run = |io: &mut Io| {
        respond(io, "a OK\r\n");
        respond(io, "b OK\r\n");
        io.out().extend_from_slice(b"* 1 FETCH (BODY[] {5}\r\nab");
    };
    assert_eq!(received(&[], run), "a OK\r\nb OK\r\n* BYE now\r\n");
    assert_eq!(received(&[Turn::Room(3), Turn::Room(2)], run), "a OK\r\nb OK\r\n* BYE now\r\n");
    assert_eq!(
        received(&[Turn::Room(3), Turn::Signal, Turn::Room(1)], run),
        "a OK\r\nb OK\r\n* BYE now\r\n"
    );
    assert_eq!(received(&[Turn::Room(3), Turn::Signal, Turn::Room(1), Turn::Gone], run), "a OK");
}

#[test]
fn nothing_follows_a_part_of_a_response() {
    let run = |io: &mut Io| {
        respond(io, "a OK\r\n");
        io.out().extend_from_slice(b"* 1 FETCH (BODY[] {9}\r\nabc");
        let _ = io.flush();
        io.out().extend_from_slice(b"def");
        let _ = io.flush_within();
    };
    assert_eq!(received(&[], run), "a OK\r\n* 1 FETCH (BODY[] {9}\r\nabc");
    // A signal before anything of it has gone out, after that, and where it has just ended.
    assert_eq!(received(&[Turn::Room(4), Turn::Signal], run), "a OK\r\n* BYE now\r\n");
    assert_eq!(received(&[Turn::Room(6), Turn::Signal], run), "a OK\r\n* BYE now\r\n");
    assert_eq!(received(&[Turn::Room(7), Turn::Signal], run), "a OK\r\n*");
    let whole = |io: &mut Io| {
        run(io);
        io.out().extend_from_slice(b"ghi)\r\n");
        io.end_response();
    };
    assert_eq!(
        received(&[], whole),
        "a OK\r\n* 1 FETCH (BODY[] {9}\r\nabcdefghi)\r\n* BYE now\r\n"
    );
    assert_eq!(received(&[Turn::Gone], whole), "");
}

#[test]
fn a_client_that_is_gone_gets_nothing_more() {
    let run = |io: &mut Io| {
        respond(io, "a OK\r\n");
        assert_eq!(io.flush(), Err(End::Closed));
    };
    assert_eq!(received(&[Turn::Room(2), Turn::Gone], run), "a ");
}

#[test]
fn nothing_is_left_behind_by_a_flush() {
    let output = MemoryConnection::new(b"", 0);
    let shared = output.output();
    let mut io = Io::new(Box::new(output));
    for n in 0..3 {
        respond(&mut io, &format!("{n}\r\n"));
        io.flush().unwrap();
    }
    assert_eq!(*shared.borrow(), b"0\r\n1\r\n2\r\n");
    let o = io.output.borrow();
    assert_eq!(
        (o.out.len(), o.written, o.complete, o.starts_mid_response, o.sent),
        (0, 0, 0, false, 9)
    );
}

/// What a flush has left in the queue is traced once, however often it is flushed again.
#[test]
fn what_is_sent_in_parts_is_traced_once() {
    let slow = Slow { turns: [Turn::Room(4), Turn::Signal].into(), ..Slow::default() };
    let traced = Rc::new(RefCell::new(Vec::new()));
    let mut io = Io::new(Box::new(slow));
    let trace = Rc::clone(&traced);
    io.set_trace(Box::new(move |text| trace.borrow_mut().extend_from_slice(text)));
    respond(&mut io, "a OK\r\n");
    assert_eq!(io.flush(), Err(End::Signal));
    respond(&mut io, "b OK\r\n");
    io.out().extend_from_slice(b"* 1 FETCH (");
    assert_eq!(io.flush(), Err(End::Signal));
    io.close(bye);
    let traced = String::from_utf8(traced.take()).unwrap();
    assert_eq!(traced, "WRITE: a OK\r\nWRITE: b OK\r\n* 1 FETCH (WRITE: * BYE now\r\n");
}

#[derive(Clone, Debug)]
enum Step {
    Response(usize),
    Part(usize),
    FlushIfFull,
    FlushWithin,
    Flush,
    Wait,
    Aside(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..40).prop_map(Step::Response),
        (1usize..40).prop_map(Step::Part),
        Just(Step::FlushIfFull),
        Just(Step::FlushWithin),
        Just(Step::Flush),
        Just(Step::Wait),
        (0usize..40).prop_map(Step::Aside),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (1usize..60).prop_map(Turn::Room),
        1 => Just(Turn::Signal),
        1 => Just(Turn::Gone),
    ]
}

proptest! {
    /// Wherever a session ends: the client has received the right stream up to some point. A
    /// goodbye follows a complete response; it is missing only if the client is gone or has
    /// received a part of a response. At every step the same holds of what was noted for a sudden
    /// end.
    #[test]
    fn a_goodbye_stands_between_responses(
        steps in proptest::collection::vec(step(), 0..30),
        turns in proptest::collection::vec(turn(), 0..30),
        must_wait in any::<bool>(),
    ) {
        let gone = turns.contains(&Turn::Gone);
        let slow = Slow { turns: turns.into(), must_wait, ..Slow::default() };
        let (received, noted) = (Rc::clone(&slow.received), Rc::clone(&slow.noted));
        let mut io = Io::new(Box::new(slow));
        let (mut stream, mut end) = (Vec::new(), 0);
        for step in steps {
            let between = end == stream.len();
            let n = stream.len();
            let result = match step {
                Step::Response(more) => {
                    stream.extend((0..more).map(|i| b'a' + ((n + i) % 26) as u8));
                    stream.extend_from_slice(b"\r\n");
                    io.out().extend_from_slice(&stream[n..]);
                    io.end_response();
                    end = stream.len();
                    Ok(())
                }
                Step::Part(more) => {
                    stream.extend((0..more).map(|i| b'A' + ((n + i) % 26) as u8));
                    io.out().extend_from_slice(&stream[n..]);
                    Ok(())
                }
                Step::FlushIfFull if between => io.flush_if_full(),
                Step::Wait if between => io.wait(None, None).map(|_| ()),
                Step::Flush => io.flush(),
                Step::Aside(more) => {
                    io.set_answering(true);
                    let mut aside = io.aside();
                    aside.can_speak_aside().and_then(|can| {
                        assert!(!can || between);
                        if can {
                            stream.extend((0..more).map(|i| b'0' + ((n + i) % 10) as u8));
                            stream.extend_from_slice(b"\r\n");
                            aside.out().extend_from_slice(&stream[n..]);
                            aside.end_response();
                            end = stream.len();
                        }
                        aside.flush_aside()
                    })
                }
                _ => io.flush_within(),
            };
            let (queue, middle) = noted.borrow().clone();
            let said = [&**received.borrow(), &*queue].concat();
            prop_assert!(stream.starts_with(&said));
            if !middle {
                prop_assert!(said.is_empty() || said.ends_with(b"\r\n"));
                prop_assert_eq!(said.len(), end);
            }
            if result.is_err() {
                break;
            }
        }
        io.close(bye);
        let received = received.borrow();
        match received.strip_suffix(BYE_LINE) {
            Some(before) => prop_assert_eq!(before, &stream[..end]),
            None => {
                prop_assert!(received.len() > end || gone);
                let said = [&*stream, BYE_LINE].concat();
                let cut = [&stream[..end], BYE_LINE].concat();
                prop_assert!(said.starts_with(&received) || cut.starts_with(&received));
            }
        }
    }
}
