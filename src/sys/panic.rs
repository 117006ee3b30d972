//! A fault in the program ends the session with a log line, a BYE and status 1. The disk stays
//! consistent (every change there is one rename), and the next session removes a lock that is left
//! behind.

use std::panic::PanicHookInfo;

/// Has a panic end the process by [`super::last_words`].
pub(crate) fn end_in_order() {
    std::panic::set_hook(Box::new(|info| {
        // Not by way of the logger, which may be what has failed.
        super::last_words::end(
            log_line(info).as_bytes(),
            b"* BYE [ALERT] Fatal error: Internal error: \r\n",
        )
    }));
}

fn log_line(info: &PanicHookInfo<'_>) -> String {
    let text = info
        .payload()
        .downcast_ref::<&str>()
        .copied()
        .or(info.payload().downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("(no message)");
    let location =
        info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
    super::log::line("ERR: ", &format!("internal error: {what}{location}")) + "\n"
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use crate::sys::last_words;
    use std::os::fd::AsFd;
    use std::process::{Command, Output, Stdio};
    use std::time::{Duration, Instant};

    const CHILD: &str = "POSTRIDER_TEST_PANIC";
    const GOODBYE: &str = "* BYE [ALERT] Fatal error: Internal error: \r\n";

    /// Runs the test below in a process of its own, which then panics.
    fn child(how: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "sys::panic::tests::a_panic_is_reported",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, how);
        command
    }

    fn panic_here(how: &str) {
        let answer = b"a OK done\r\n".to_vec();
        match how {
            "queue" => last_words::note_unsent(&answer, false),
            "middle" => last_words::note_unsent(&[], true),
            "compressed" => {
                nix::unistd::write(std::io::stdout(), &compressed_before()).unwrap();
                last_words::use_stored_blocks();
                last_words::note_unsent(&answer, false);
            }
            _ => {}
        }
        super::end_in_order();
        panic!("on\npurpose {}", "x".repeat(if how == "long" { 1000 } else { 0 }));
    }

    #[test]
    fn a_panic_is_reported() {
        if let Ok(how) = std::env::var(CHILD) {
            panic_here(&how);
        }
        for (how, end) in
            [("", GOODBYE), ("queue", &format!("a OK done\r\n{GOODBYE}")), ("long", GOODBYE)]
        {
            let Output { status, stdout, stderr } = child(how).output().unwrap();
            assert_eq!(status.code(), Some(1), "{how}");
            let log = String::from_utf8(stderr).unwrap();
            assert!(
                log.starts_with("ERR: internal error: on/purpose ") && log.len() <= 501,
                "{log}"
            );
            assert!(
                how == "long" || log.ends_with(")\n") && log.contains("(src/sys/panic.rs:"),
                "{log}"
            );
            assert!(String::from_utf8(stdout).unwrap().ends_with(end), "{how}");
        }
        let output = child("middle").output().unwrap().stdout;
        assert!(!String::from_utf8_lossy(&output).contains("BYE"));
    }

    /// Under COMPRESS, the last words go on where the stream stands.
    #[test]
    fn a_panic_is_reported_in_a_compressed_stream() {
        use flate2::{Decompress, FlushDecompress, Status};
        let before = compressed_before();
        let output = child("compressed").output().unwrap().stdout;
        let start = output.windows(before.len()).position(|part| part == before).unwrap();
        let (mut inflate, mut text) = (Decompress::new(false), Vec::with_capacity(1000));
        let status =
            inflate.decompress_vec(output.get(start..).unwrap(), &mut text, FlushDecompress::Sync);
        assert_eq!(status.unwrap(), Status::Ok);
        assert_eq!(inflate.total_in(), (output.len() - start) as u64);
        let told = String::from_utf8(text).unwrap();
        assert_eq!(told, format!("* 1 EXISTS\r\na OK done\r\n{GOODBYE}"));
    }

    /// What was sent before, up to a byte boundary.
    fn compressed_before() -> Vec<u8> {
        use flate2::{Compress, Compression, FlushCompress};
        let mut sent = Vec::with_capacity(100);
        let mut deflate = Compress::new(Compression::default(), false);
        deflate.compress_vec(b"* 1 EXISTS\r\n", &mut sent, FlushCompress::Sync).unwrap();
        sent
    }

    /// Neither a client that does not read nor a log reader that has stopped delays the end.
    #[test]
    fn a_panic_does_not_wait() {
        let (reader, writer) = std::io::pipe().unwrap();
        let room = [nix::poll::PollFlags::POLLOUT];
        let has_room = || {
            let mut fd = room.map(|flag| nix::poll::PollFd::new(writer.as_fd(), flag));
            nix::poll::poll(&mut fd, nix::poll::PollTimeout::ZERO) == Ok(1)
        };
        while has_room() {
            nix::unistd::write(&writer, &[b'.'; 4096]).unwrap();
        }
        let start = Instant::now();
        // Standard output stays usable: the test harness writes to it.
        let mut child =
            child("").stdout(Stdio::null()).stderr(writer.try_clone().unwrap()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        drop(reader);
    }
}
