//! What a fault in our own code comes to: a log line, a BYE, status 1. Nothing on disk is half done by it (every change there is one
//! rename), and a lock that is left behind is seen to be nobody's by the next session.

use std::panic::PanicHookInfo;

/// From now on a panic ends the process in order.
pub fn end_in_order() {
    std::panic::set_hook(Box::new(|info| {
        // Straight to the descriptors: the log's own code may be where it happened.
        super::stdio::last_words(2, log_line(info).as_bytes());
        super::stdio::last_words(1, b"\r\n* BYE [ALERT] Fatal error: Internal error: \r\n");
        std::process::exit(1)
    }));
}

fn log_line(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload().downcast_ref::<&str>().copied().or(info.payload().downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("(no message)");
    let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
    super::log::line("ERR: ", &format!("internal error: {what}{place}")) + "\n"
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::process::Command;

    const CHILD: &str = "POSTRIDER_TEST_PANIC";

    #[test]
    fn a_panic_is_told() {
        if std::env::var_os(CHILD).is_some() {
            super::end_in_order();
            panic!("on\npurpose");
        }
        let out = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sys::panic::tests::a_panic_is_told", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(1));
        let log = String::from_utf8(out.stderr).unwrap();
        assert!(log.starts_with("ERR: internal error: on/purpose (src/sys/panic.rs:"), "{log}");
        let told = String::from_utf8(out.stdout).unwrap();
        assert!(told.ends_with("\r\n* BYE [ALERT] Fatal error: Internal error: \r\n"), "{told}");
    }
}
