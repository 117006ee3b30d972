//! A server process whose output is always drained, so that no server waits for us to read, and
//! whose responses are read with a time limit.

use crate::text::find;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a session may take to save what it knows, when its client is gone.
const GOODBYE: Duration = Duration::from_secs(10);

/// What standard input and output of the process are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Two pipes, as under inetd or in a shell.
    Pipes,
    /// One socket, as under couriertcpd.
    Socket,
}

/// What came when a response was waited for.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A line with the literals and lines that belong to it, without the final CR LF.
    Response(Vec<u8>),
    /// Nothing, or nothing complete, within the time.
    Nothing,
    /// The process has closed its output.
    End,
}

enum Input {
    Pipe(ChildStdin),
    Socket(UnixStream),
    Closed,
}

/// A running process.
pub struct Process {
    child: Child,
    input: Input,
    output: Receiver<Vec<u8>>,
    log: Arc<Mutex<Vec<u8>>>,
    log_reader: Option<thread::JoinHandle<()>>,
    buffer: Vec<u8>,
}

impl Process {
    /// Starts the process. Its standard error is collected, or goes to `log`.
    pub fn spawn(mut command: Command, ends: Ends, log: Option<File>) -> io::Result<Self> {
        command.stderr(log.map_or_else(Stdio::piped, Stdio::from));
        let (child, input, output): (Child, Input, Box<dyn Read + Send>) = match ends {
            Ends::Pipes => {
                let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
                let (input, output) = (child.stdin.take(), child.stdout.take());
                let (Some(input), Some(output)) = (input, output) else {
                    return Err(io::Error::other("no pipes"));
                };
                (child, Input::Pipe(input), Box::new(output))
            }
            Ends::Socket => {
                let (ours, theirs) = UnixStream::pair()?;
                command.stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)));
                command.stdout(Stdio::from(OwnedFd::from(theirs)));
                let child = command.spawn()?;
                let output = ours.try_clone()?;
                (child, Input::Socket(ours), Box::new(output))
            }
        };
        // It holds copies of the process's ends: without them the end of the process is noticed.
        drop(command);
        let mut process = Self {
            child,
            input,
            output: drain(output),
            log: Arc::default(),
            log_reader: None,
            buffer: Vec::new(),
        };
        if let Some(mut stderr) = process.child.stderr.take() {
            let log = Arc::clone(&process.log);
            process.log_reader = Some(thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = stderr.read(&mut chunk) {
                    log.lock().unwrap().extend_from_slice(&chunk[..n]);
                }
            }));
        }
        Ok(process)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.input {
            Input::Pipe(pipe) => pipe.write_all(bytes).and_then(|()| pipe.flush()),
            Input::Socket(socket) => socket.write_all(bytes),
            Input::Closed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Closes the process's input, as a client that goes away.
    pub fn hang_up(&mut self) {
        if let Input::Socket(socket) = &self.input {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.input = Input::Closed;
    }

    /// Whether `hang_up` was called.
    pub fn hung_up(&self) -> bool {
        matches!(self.input, Input::Closed)
    }

    /// More of the output, as it came. `Received::Response` is any piece here.
    pub fn piece(&mut self, patience: Duration) -> Received {
        match self.output.recv_timeout(patience) {
            Ok(piece) => Received::Response(piece),
            Err(RecvTimeoutError::Timeout) => Received::Nothing,
            Err(RecvTimeoutError::Disconnected) => Received::End,
        }
    }

    /// The next response.
    pub fn response(&mut self, patience: Duration) -> Received {
        let deadline = Instant::now() + patience;
        // Where the last line begins that is not known to be complete.
        let mut line = 0;
        // Up to where no line end was found.
        let mut searched = 0;
        loop {
            while let Some(at) = find(self.buffer.get(searched..).unwrap_or_default(), b"\r\n") {
                let end = searched + at;
                let Some(n) = literal_at_end(&self.buffer[line..end]) else {
                    let rest = self.buffer.split_off(end + 2);
                    let mut response = std::mem::replace(&mut self.buffer, rest);
                    response.truncate(end);
                    return Received::Response(response);
                };
                (line, searched) = (end + 2 + n, end + 2 + n);
            }
            searched = searched.max(self.buffer.len().saturating_sub(1)).max(line);
            match self.piece(deadline.saturating_duration_since(Instant::now())) {
                Received::Response(piece) => self.buffer.extend_from_slice(&piece),
                other => return other,
            }
        }
    }

    /// What was received and is no complete response.
    pub fn incomplete(&self) -> &[u8] {
        &self.buffer
    }

    /// What was received and not taken; after `hang_up` everything up to the end of the output.
    pub fn rest(&mut self) -> Vec<u8> {
        let patience = if self.hung_up() { 2000 } else { 0 };
        while let Received::Response(piece) = self.piece(Duration::from_millis(patience)) {
            self.buffer.extend_from_slice(&piece);
        }
        std::mem::take(&mut self.buffer)
    }

    /// What was written to standard error so far; all of it after `wait`.
    pub fn log(&self) -> Vec<u8> {
        self.log.lock().unwrap().clone()
    }

    /// The same, for those who outlive the process.
    pub fn shared_log(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.log)
    }

    /// Waits for the end. None: it did not come, and the process was killed.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                if let Some(reader) = self.log_reader.take() {
                    let _ = reader.join();
                }
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.kill();
        None
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// SIGKILL, and the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.hang_up();
        // A session that is saving what it knows would leave a lock behind.
        if thread::panicking() || self.wait(GOODBYE).is_none() {
            self.kill();
        }
    }
}

fn drain(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = vec![0; 65536];
        while let Ok(n @ 1..) = output.read(&mut chunk) {
            if sender.send(chunk[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The byte count of a line that ends in `{n}`: a literal follows.
fn literal_at_end(line: &[u8]) -> Option<usize> {
    let open = line.strip_suffix(b"}")?;
    let at = open.iter().rposition(|&b| b == b'{')?;
    let digits = &open[at + 1..];
    let literal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !literal || at == 0 || !matches!(line[at - 1], b' ' | b'~' | b'(') {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
