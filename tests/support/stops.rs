//! A running session that strace stops behind calls of one name, so that a test can act in exactly
//! that moment, however busy the machine is.

use crate::programs::strace;
use crate::until;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

/// The end of it, also by a failed check, lets the session go on.
pub struct Stops {
    tracer: Child,
    trace: PathBuf,
    pid: u32,
    /// Stops that are over.
    over: usize,
}

impl Stops {
    /// Stops a process behind its calls of this name from now on: behind those that `when` names
    /// in strace's words (`3`; `1+` for each). `trace` is a file for strace.
    pub fn attach(pid: u32, call: &str, when: &str, trace: &Path) -> Self {
        let inject = format!("inject={call}:signal=SIGSTOP:when={when}");
        let tracer = Command::new(strace().unwrap())
            .args(["-p", &pid.to_string(), "-o", trace.to_str().unwrap()])
            .args(["-e", &format!("trace={call}"), "-e", &inject])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = format!("/proc/{pid}/status");
        until(|| !fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n"));
        Self { tracer, trace: trace.to_owned(), pid, over: 0 }
    }

    /// Whether it stands still.
    pub fn has_stopped(&self) -> bool {
        let trace = fs::read(&self.trace).unwrap_or_default();
        String::from_utf8_lossy(&trace).matches("--- stopped by SIGSTOP").count() > self.over
    }

    pub fn go_on(&mut self) {
        self.over += 1;
        self.wake();
    }

    /// Lets it go on from stop to stop, until it stands still and it is so.
    #[track_caller]
    pub fn until(&mut self, is_so: impl Fn() -> bool) {
        loop {
            until(|| self.has_stopped());
            if is_so() {
                return;
            }
            self.go_on();
        }
    }

    fn wake(&self) {
        Command::new("kill").args(["-CONT", &self.pid.to_string()]).status().unwrap();
    }
}

impl Drop for Stops {
    fn drop(&mut self) {
        let _ = self.tracer.kill();
        let _ = self.tracer.wait();
        // It may have been stopped by now, which outlives the tracer.
        thread::sleep(Duration::from_millis(1));
        self.wake();
    }
}
