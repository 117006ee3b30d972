//! The tokenizer against PROTOCOL 1, from memory.

use super::*;
use crate::wire::End;
use crate::wire::connection::MemoryConnection;
use proptest::prelude::*;

fn io(input: &[u8], chunk: usize) -> Io {
    Io::new(Box::new(MemoryConnection::new(input, chunk)))
}

/// The tokens of the first line, literals resolved, until its end or an error.
fn tokens(input: &[u8], chunk: usize) -> Vec<String> {
    let mut io = io(input, chunk);
    let mut seen = Vec::new();
    loop {
        match io.token() {
            Ok(Token::Eol) => return seen,
            Ok(Token::Literal(l)) => match io.text_of(Token::Literal(l)) {
                Ok(text) => seen.push(format!("L:{}", String::from_utf8_lossy(&text))),
                Err(_) => {
                    seen.push("LITERAL ERROR".into());
                    return seen;
                }
            },
            Ok(token) => seen.push(String::from_utf8_lossy(&token.traced()).into_owned()),
            Err(_) => {
                seen.push("ERROR".into());
                return seen;
            }
        }
    }
}

#[test]
fn table() {
    for (line, expected) in [
        ("a NOOP\r\n", &["ATOM: a", "ATOM: NOOP"][..]),
        (" \t a\r NOOP \n", &["ATOM: a", "ATOM: NOOP"]),
        ("1 2:3 1.MIME\n", &["NUMBER: 1", "ATOM: 2:3", "ATOM: 1.MIME"]),
        ("BODY[1]<0.5>\n", &["ATOM: BODY", "LBRACKET", "NUMBER: 1", "RBRACKET", "ATOM: <0.5>"]),
        ("(\\Seen $x)\n", &["LPAREN", "ATOM: \\Seen", "ATOM: $x", "RPAREN"]),
        ("a\\b\n", &["ATOM: a", "ATOM: \\b"]),
        ("\"a \\\" \\\\ \\x\"\n", &["QUOTED_STRING: a \" \\ x"]),
        ("NIL nil \"NIL\"\n", &["NIL", "ATOM: nil", "QUOTED_STRING: NIL"]),
        ("\"\u{e9}\"\n", &["QUOTED_STRING: \u{e9}"]),
        ("{3}\r\nabc x\n", &["L:abc", "ATOM: x"]),
        ("{3+}\nabc x\n", &["L:abc", "ATOM: x"]),
        ("~{0}\r\n x\n", &["L:", "ATOM: x"]),
        ("\"a\n", &["ERROR"]),
        ("a }\n", &["ATOM: a", "ERROR"]),
        ("{}\n", &["ERROR"]),
        ("{1+1}\nx\n", &["ERROR"]),
        ("{99999999999999999999}\n", &["ERROR"]),
        ("{65537}\n", &["LITERAL ERROR"]),
        ("{0000000000000000000000000000000000000003}\r\nabc x\n", &["L:abc", "ATOM: x"]),
        ("{5{3}\r\nabc\n", &["ERROR"]),
        ("~x\n", &["ERROR"]),
        ("\u{e9}\n", &["ERROR"]),
    ] {
        for chunk in [0, 1] {
            assert_eq!(tokens(line.as_bytes(), chunk), expected, "{line:?} in chunks of {chunk}");
        }
    }
    assert_eq!(tokens(b"\"\xff\"\n", 0), ["ERROR"]);
}

#[test]
fn brackets_in_strings() {
    let mut strings = io(b"a[b] ~c} ~ ~{2}\r\nde [c\n", 1);
    for text in ["a[b]", "~c}", "~", "de"] {
        assert_eq!(strings.astring().as_deref(), Ok(text.as_bytes()));
    }
    assert_eq!(strings.token(), Ok(Token::BracketOpen));
}

/// What follows a bad line is the next command, whatever the bad line held.
#[test]
fn skipping() {
    for bad in [
        "x } y\r\n",
        "x } {5}\r\n",
        "x } {5+}\r\nabcde\r\n",
        "x } {5+}\r\nab\r\ne {1+}\r\nz tail\r\n",
        "x } ~{3+}\r\na\nb }\r\n",
        "x } {70000}\r\n",
        "x \"unended {5+}\r\na NO\r\n",
        "x \"un\\\"ended \\{5+}\r\na NO\r\n",
        "x } {0000000000000000000000000000000000000005+}\r\nabcde\r\n",
        "x {5+} {5+}\r\nabcde\r\n",
        "x {5{5+}\r\nabcde\r\n",
        "x } {10000000000000000000000000000}\r\n",
        "x {10000000000000000000000000000000000000000}\r\n",
        "x \"unended {5}\r\n",
        "x } {5+}\nabcde\n",
    ] {
        for chunk in [0, 1, 7] {
            let mut io = io(format!("{bad}b NOOP\r\n").as_bytes(), chunk);
            while io.token().is_ok() {}
            io.skip_line().unwrap();
            io.begin_line();
            assert_eq!(io.token(), Ok(Token::Atom(b"b".to_vec())), "{bad:?} in chunks of {chunk}");
        }
    }
}

/// Announced bytes are never commands, however many.
#[test]
fn an_endless_literal_is_skipped_to_the_end_of_input() {
    for head in [
        "{18446744073709551615+}",
        "{18446744073709551616+}",
        "{99999999999999999999999999999999999999999999+}",
    ] {
        for before in ["x } ", "x ", "x \"unended "] {
            for chunk in [0, 1, 7] {
                let mut io =
                    io(format!("{before}{head}\r\nb NOOP\r\nc NOOP\r\n").as_bytes(), chunk);
                while io.token().is_ok_and(|token| !matches!(token, Token::Literal(_))) {}
                assert_eq!(
                    io.skip_line(),
                    Err(Error::End(End::Closed)),
                    "{before}{head} in chunks of {chunk}"
                );
            }
        }
    }
}

/// A head right where a command has become too long.
#[test]
fn a_head_at_the_limit() {
    for before in [MAX_COMMAND - 6, MAX_COMMAND - 5, MAX_COMMAND - 1, MAX_COMMAND, MAX_COMMAND + 1]
    {
        for fill in ["a", " "] {
            let mut input = b"x ".to_vec();
            input.extend(fill.bytes().cycle().take(before - 2));
            input.extend_from_slice(b"{5+}\r\na NO\r\r\nb NOOP\r\n");
            let mut io = io(&input, 0);
            while io
                .token()
                .is_ok_and(|token| token != Token::Eol && !matches!(token, Token::Literal(_)))
            {
            }
            io.finish_line().unwrap();
            io.begin_line();
            assert_eq!(io.token(), Ok(Token::Atom(b"b".to_vec())), "{before} of {fill:?}");
        }
    }
}

#[test]
fn unread_literals_are_skipped() {
    for line in ["a {5}\r\n", "a {5+}\r\nabcde\r\n", "a {100000+}\r\n"] {
        let mut input = line.as_bytes().to_vec();
        if line.contains("100000") {
            input.extend(std::iter::repeat_n(b'\n', 100_000));
            input.extend_from_slice(b"\r\n");
        }
        input.extend_from_slice(b"b NOOP\r\n");
        let mut io = io(&input, 0);
        io.token().unwrap();
        io.token().unwrap();
        io.finish_line().unwrap();
        io.begin_line();
        assert_eq!(io.token(), Ok(Token::Atom(b"b".to_vec())), "{line:?}");
    }
}

#[test]
fn a_command_has_a_limit() {
    let mut input = vec![b'a'; MAX_COMMAND + 10];
    input.extend_from_slice(b"\r\nb NOOP\r\n");
    let mut io = io(&input, 0);
    assert_eq!(io.token(), Err(Error::Syntax));
    io.skip_line().unwrap();
    io.begin_line();
    assert_eq!(io.token(), Ok(Token::Atom(b"b".to_vec())));
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        line in "[a-c(){}+\"\\\\ \\r\\n~0-9\\[\\]]{0,40}",
        chunk in 1usize..5,
    ) {
        let input = format!("{line}\n");
        prop_assert_eq!(tokens(input.as_bytes(), 0), tokens(input.as_bytes(), chunk));
    }

    /// Whatever a refused line holds, and wherever its parser gave up: what follows the bytes that
    /// it announces is the next command.
    #[test]
    fn announced_bytes_are_never_commands(
        stretches in proptest::collection::vec(
            (
                "([a-c(){}+\"\\\\ \r~0-9\\[\\]]|\\{[0-9]{1,3}\\+?\\}){0,20}",
                "0{0,40}",
                "[a-d \r\n{}+\"1-3]{0,12}",
                any::<bool>(),
            ),
            0..4,
        ),
        last in "[a-c(){}+\"\\\\ \r~0-9]{0,20}",
        tokens in 0usize..12,
        text in any::<bool>(),
        chunk in 0usize..5,
    ) {
        let mut input = b"a ".to_vec();
        for (junk, zeros, bytes, lf) in &stretches {
            let end = if *lf { "\n" } else { "\r\n" };
            let line = format!("{junk}{{{zeros}{}+}}{end}{bytes}", bytes.len());
            input.extend_from_slice(line.as_bytes());
        }
        input.extend_from_slice(format!("{last}x\r\nnext NOOP\r\n").as_bytes());
        let mut io = io(&input, chunk);
        for _ in 0..tokens {
            let brackets = if text { Brackets::Text } else { Brackets::Tokens };
            match io.token_as(brackets) {
                Ok(Token::Eol) | Err(_) => break,
                // A literal is taken, or refused.
                Ok(token @ Token::Literal(_)) => {
                    if !text || io.text_of(token).is_err() {
                        break;
                    }
                }
                Ok(_) => {}
            }
        }
        prop_assert_eq!(io.finish_line(), Ok(()));
        io.begin_line();
        prop_assert_eq!(io.token(), Ok(Token::Atom(b"next".to_vec())));
    }

    #[test]
    fn any_bytes_end(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut io = io(&input, 3);
        for _ in 0..400 {
            match io.token() {
                Ok(Token::Literal(l)) => {
                    let _ = io.text_of(Token::Literal(l));
                }
                Ok(Token::Eol) => io.begin_line(),
                Ok(_) => {}
                Err(Error::Syntax | Error::TooMany(_)) => {
                    if io.skip_line().is_err() {
                        break;
                    }
                    io.begin_line();
                }
                Err(Error::End(_)) => break,
            }
        }
    }
}

#[test]
fn a_literal_that_took_long_makes_the_line_not_late() {
    let mut io = io(b"{3}\r\nabc x\r\n", 1);
    assert!(matches!(io.token(), Ok(Token::Literal(_))));
    // The time for the command is over when the literal has come.
    io.deadline = Some(clock::monotonic());
    let literal = io.accept_literal().unwrap();
    io.literal_bytes(literal.length, |_| {}).unwrap();
    assert_eq!(io.token(), Ok(Token::Atom(b"x".to_vec())));
    assert_eq!(io.token(), Ok(Token::Eol));
}
