use super::*;
use crate::wire::connection::MemoryConnection;
use crate::wire::{Io, Token, input::Brackets};
use proptest::prelude::*;

/// What a client sends, flushed after each piece.
fn deflated(pieces: &[&[u8]]) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::default(), false);
    let mut out = Vec::new();
    for piece in pieces {
        out.reserve(piece.len() * 2 + 100);
        deflate.compress_vec(piece, &mut out, FlushCompress::Sync).unwrap();
    }
    out
}

/// What a client reads; whether the stream has an end.
fn inflated(stream: &[u8]) -> (Vec<u8>, bool) {
    let mut inflate = Decompress::new(false);
    let mut out = Vec::with_capacity(1 << 20);
    let status = inflate.decompress_vec(stream, &mut out, FlushDecompress::None).unwrap();
    (out, status == Status::StreamEnd)
}

/// A connection that is compressed already, and what is written to it.
fn io(input: &[u8], chunk: usize) -> (Io, std::rc::Rc<std::cell::RefCell<Vec<u8>>>) {
    let plain = MemoryConnection::new(input, chunk);
    let output = plain.output();
    let mut io = Io::new(Box::new(plain));
    io.compress().unwrap();
    (io, output)
}

/// All atoms that come, line by line.
fn lines(io: &mut Io) -> (Vec<Vec<String>>, crate::wire::Error) {
    let mut lines = Vec::new();
    loop {
        io.begin_line();
        let mut words = Vec::new();
        loop {
            match io.token_as(Brackets::Text) {
                Ok(Token::Eol) => break,
                Ok(Token::Atom(text)) => words.push(String::from_utf8(text).unwrap()),
                Ok(other) => panic!("{other:?}"),
                Err(e) => return (lines, e),
            }
        }
        lines.push(words);
    }
}

#[test]
fn commands_come_through_in_any_pieces() {
    let pieces: [&[u8]; 4] = [b"a NO", b"OP\r\nb ", b"", b"CHECK\r\n"];
    for chunk in [0, 1, 2, 3, 7] {
        let (mut io, _) = io(&deflated(&pieces), chunk);
        let (lines, end) = lines(&mut io);
        assert_eq!(lines, [["a", "NOOP"], ["b", "CHECK"]], "{chunk}");
        assert_eq!(end, crate::wire::Error::End(End::Closed));
    }
}

/// What was read together with the command is compressed.
#[test]
fn what_came_with_the_command_counts() {
    let input = [b"a COMPRESS DEFLATE\r\n", &*deflated(&[b"b NOOP\r\n"])].concat();
    let mut io = Io::new(Box::new(MemoryConnection::new(&input, 0)));
    for _ in 0..4 {
        io.token().unwrap();
    }
    io.compress().unwrap();
    assert_eq!(lines(&mut io).0, [["b", "NOOP"]]);
}

#[test]
fn a_stream_with_an_end_is_the_end_of_input() {
    let mut stream = Vec::with_capacity(100);
    let mut deflate = Compress::new(Compression::default(), false);
    deflate.compress_vec(b"a NOOP\r\n", &mut stream, FlushCompress::Finish).unwrap();
    stream.extend_from_slice(b"b NOOP\r\n");
    let (mut io, _) = io(&stream, 0);
    assert_eq!(lines(&mut io), (vec![vec!["a".into(), "NOOP".into()]], End::Closed.into()));
}

#[test]
fn what_is_no_stream_ends_the_session() {
    for garbage in [&b"a NOOP\r\n"[..], &[7; 30], &[0xff; 300]] {
        for chunk in [0, 1] {
            let (mut io, _) = io(garbage, chunk);
            let (lines, end) = lines(&mut io);
            assert!(lines.is_empty(), "{lines:?}");
            assert_eq!(end, crate::wire::Error::End(End::Garbled), "{garbage:?}");
        }
    }
}

/// A few bytes that stand for many are inflated as they are read.
#[test]
fn a_bomb_is_read_in_small_pieces() {
    let zeros = vec![b'0'; 8 << 20];
    let mut bomb = Vec::with_capacity(1 << 20);
    let mut deflate = Compress::new(Compression::best(), false);
    deflate.compress_vec(&zeros, &mut bomb, FlushCompress::Sync).unwrap();
    assert!(bomb.len() < 100_000);
    let mut connection = Deflated::new(Box::new(MemoryConnection::new(&bomb, 0)), &[]);
    let (mut total, mut buffer) = (0, vec![0; 100_000]);
    loop {
        let wants = Events { input: true, ..Events::default() };
        connection.wait(wants, None, None).unwrap();
        match connection.read(&mut buffer).unwrap() {
            0 => break,
            n => total += n,
        }
        assert!(connection.input.ready.bytes.capacity() <= 2 * BUFFER);
    }
    assert_eq!(total, zeros.len());
}

#[test]
fn each_flush_ends_at_a_byte_boundary() {
    let (mut io, output) = io(b"", 0);
    for n in 1..50usize {
        io.out().extend_from_slice(format!("* {n} EXISTS\r\n").repeat(n * n).as_bytes());
        io.end_response();
        io.flush().unwrap();
        let written = output.borrow().clone();
        assert!(written.ends_with(&[0, 0, 0xff, 0xff]), "{n}");
        assert!(inflated(&written).0.ends_with(format!("* {n} EXISTS\r\n").as_bytes()), "{n}");
        // Nothing is written where nothing is to be told.
        io.flush().unwrap();
        assert_eq!(*output.borrow(), written);
    }
    assert!(!inflated(&output.borrow()).1);
}

#[test]
fn the_end_of_the_session_is_no_end_of_the_stream() {
    for goodbye in ["", "* BYE\r\n"] {
        let (mut io, output) = io(b"", 0);
        io.out().extend_from_slice(b"a OK\r\n");
        io.end_response();
        io.close(|io| {
            io.out().extend_from_slice(goodbye.as_bytes());
            io.end_response();
        });
        let expected = format!("a OK\r\n{goodbye}").into_bytes();
        assert_eq!(inflated(&output.borrow()), (expected, false));
    }
}

/// A connection that takes a few bytes now and then, and remembers what may still be said.
#[derive(Default)]
struct Slow {
    room: Vec<usize>,
    output: std::rc::Rc<std::cell::RefCell<Vec<u8>>>,
    waits: bool,
    may_follow: std::rc::Rc<std::cell::Cell<bool>>,
}

impl Connection for Slow {
    fn wait(
        &mut self,
        wanted: Events,
        _: Option<BorrowedFd<'_>>,
        _: Option<Duration>,
    ) -> Result<Events, End> {
        Ok(wanted)
    }
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        assert!(!data.is_empty());
        assert!(!self.may_follow.get(), "something is on its way");
        let room = self.room.pop().unwrap_or(1000).min(data.len());
        self.output.borrow_mut().extend_from_slice(&data[..room]);
        if room == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(room) }
    }
    fn must_wait(&self) -> bool {
        self.waits
    }
    fn wait_without_signals(&mut self, _: Duration) -> Result<bool, End> {
        Ok(true)
    }
    fn note_unsent(&mut self, _: &[u8], mid_response: bool) {
        self.may_follow.set(!mid_response);
    }
    fn hang_up(&mut self, _: Duration) {}
}

proptest! {
    /// However little the client takes at a time, it gets everything; and something may follow at
    /// once only where everything was sent.
    #[test]
    fn slow_clients_get_everything(
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20_000), 1..4),
        room in proptest::collection::vec(0usize..5000, 0..50),
        waits in any::<bool>(),
    ) {
        let slow = Slow { room, waits, ..Slow::default() };
        let (output, may_follow) = (slow.output.clone(), slow.may_follow.clone());
        let mut io = Io::new(Box::new(slow));
        io.compress().unwrap();
        let mut all = Vec::new();
        for text in &texts {
            let text = [&**text, b"\r\n"].concat();
            all.extend_from_slice(&text);
            io.out().extend_from_slice(&text);
            io.end_response();
            io.flush().unwrap();
            prop_assert!(may_follow.get());
        }
        io.close(|_| ());
        prop_assert_eq!(inflated(&output.borrow()), (all, false));
    }

    #[test]
    fn any_bytes(input in proptest::collection::vec(any::<u8>(), 0..500), chunk in 0usize..9) {
        let mut connection = Deflated::new(Box::new(MemoryConnection::new(&input, chunk)), &[]);
        let mut buffer = [0; 100];
        for _ in 0..10_000 {
            let wants = Events { input: true, ..Events::default() };
            connection.wait(wants, None, None).unwrap();
            match connection.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
}
