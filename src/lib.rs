//! Postrider: one IMAP session on standard input and output over one Maildir, in the place of
//! Courier's `imapd`.
//!
//! # What comes first
//!
//! Where two aims conflict, the earlier one wins.
//!
//! 1. No mail is lost, and no UID ever names two messages.
//! 2. A client and an administrator see what Courier shows: settings, files, log lines, greeting,
//!    response texts. `src/commands/README.md` and `src/maildir/README.md` say what that is, for
//!    Courier 5.0.13; the program itself settles doubts (`apt-get install courier-imap`).
//! 3. Where Courier breaks a MUST of an RFC so that a client can trip over it, or serves a message
//!    wrongly, the RFC wins. Courier's words stay where there are any.
//! 4. Where Courier's versions differ, the RFC decides; where that is silent, what helps the user.
//!    Log lines and files are those of 5.0.13. Courier's manual page of the 5.1 releases rules on
//!    two points: `MAILDIR` wins over the argument, and the text of IDLE's continuation.
//! 5. What we add is on by default and goes with one setting, `IMAP_EXTENSIONS=0`: then the wire
//!    shows Courier's answers, corrected, and nothing more.
//! 6. Fast, small, simple, in this order; and measured.
//!
//! Each difference from Courier 5.0.13 is a row in `man/postrider-courier.7`, with its reason and a
//! test.
//!
//! # The layers
//!
//! Imports run downward only, and modules of one layer do not import one another;
//! `scripts/check-layers` proves it, and that the environment and the clock are read in
//! `session/options.rs` and `sys/` only.
//!
//! ```text
//! main.rs          calls the library
//! 6 server         start-up, the loop over the commands, BYE, log lines
//! 5 commands       one file for each command or family: its parser and its handler; the table of
//!                  commands is in its mod.rs, the table of capabilities in capability.rs
//! 4 session        what a command works on: connection, settings (options, features), folders and
//!                  rights (folder, access), deliveries (delivery), the open folder (selected), its
//!                  scans (sync), the arithmetic of sequence numbers (view), what is asked of a
//!                  message (message), refusals, the tagged line (reply), every environment
//!                  variable (options)
//! 3 response       what the server says, as values, and the one encoder that writes them
//! 2 maildir        files: unique names, scan, UID database, keywords, locks, subscriptions, quota,
//!                  ACLs, shared folders, annotations, special uses, the index (state, facts); no
//!                  IMAP
//! 2 mime           messages: structure with offsets, header fields, addresses, dates, decoding; no
//!                  files
//! 2 wire           the connection: bytes in, tokens out; output queue, strings and numbers; no
//!                  files
//! 1 types          UIDs, folder names, flags, rights, keyword sets: values and their rules, no I/O
//! 1 sys            the only place for unsafe code, libc and nix: waits, signals, files, clocks
//! ```
//!
//! So the wire can be fuzzed without a disk, MIME without a session, and the view without either. A
//! new command is one file and one row. A new environment variable is a field, a line of `read` and
//! an entry of `VARIABLES` in `session/options.rs`, an entry in `man/imapd.8`, and a case in
//! `tests/it/settings.rs`.
//!
//! # How a command flows
//!
//! The server reads the tag and the command's name and finds the row of the table
//! (`commands/mod.rs`). A row names the states in which the command may be given, its parser and
//! its handler, whether it has a UID form, what must hold of the open folder, whether untagged
//! EXPUNGE may come with it, whether it is an extension of ours, and the capabilities that announce
//! it. With the table of capabilities (`commands/capability.rs`) that decides CAPABILITY, ENABLE
//! and the effect of `IMAP_EXTENSIONS`.
//!
//! The state comes first: a command that needs an open folder is a protocol error without one,
//! whatever follows its name (Courier). Then the row's parser pulls tokens to the end of the line.
//! A continuation is sent when the parser asks for that literal, not before, so every check that
//! Courier makes first can come first. APPEND's literal is a handle that the handler streams into
//! `tmp`. A refused literal that is not synchronising is read and thrown away, never parsed as
//! commands.
//!
//! A line that does not parse is BAD before a right or the folder's mode is looked at. Then the
//! row's checks are made, and the handler acts, with the open folder as an argument where the
//! command needs one. What it says on the way are values (`response`): a message's data, list
//! entries, counts, search results. One encoder writes them. The handler returns an outcome. Before
//! the one tagged line (`session/reply.rs`) the pending changes of the folder are announced, if the
//! row allows.
//!
//! Output collects and is flushed before the next wait, so that pipelined commands share a write.
//! One function waits for the command loop, for IDLE and for literals alike; signals are let in
//! only there, and in `sys::breath::breathe`, which every loop over messages, parts, fields, names,
//! folders or files calls: it ends long work, and with it the session, by an error. There, and in the
//! wait for a lock, a client that has heard nothing for a second is told that its command is at work
//! (INPROGRESS), without a wait and only between two responses. A client meets
//! three errors: BAD (syntax), NO (refused, perhaps with a response code), BYE (the session is
//! over). The causes below those are logged once, in Courier's format.
//!
//! # Decided
//!
//! ## The wire
//!
//! - What Courier calls a protocol error, the wrong state included, is `TAG BAD` with Courier's
//!   words, and `* BAD` where the line has no usable tag. Ten in a row end the session. `BAD
//!   Invalid command` is not counted, as in Courier.
//! - A token or a command that is too long is one BAD, and the line is consumed. What a
//!   client or a mail may fill has its limit in `types/limits.rs`.
//! - A string that holds CR, LF or NUL goes out as a literal without the NULs, never quoted; so does
//!   one with 8-bit text, unless the client has enabled UTF8=ACCEPT. CREATE and RENAME refuse
//!   control characters and line separators; in a logged value each becomes `/`.
//! - `IMAP_EXTENSIONS=0`: no added capability words, response codes or lines; `{n+}` is understood
//!   all the same. A capability word is never printed twice; one that Courier knows and
//!   `IMAP_CAPABILITY` leaves out stays out.
//! - EXISTS and EXPUNGE are found out only where the folder is scanned: SELECT, NOOP, CHECK,
//!   EXPUNGE, MOVE, REPLACE, IDLE, and APPEND or COPY into the open folder (RFC 3501 6.3.11).
//!   Other commands announce only what is known.
//! - \Recent: exactly one of the read-write sessions that are open shows it.
//! - `AUTHENTICATED` without `IMAPLOGINTAG` is a PREAUTH session of that user. Our scripts and
//!   tests start the binary with an empty environment and the variables that they name: people
//!   export `MAILDIR`, and a test must never open somebody's real mail.
//!
//! ## The store
//!
//! - A UID is on disk before a client is told it, under EXAMINE too where the folder can be
//!   written. Where it cannot, the UIDs that the file has count, and others hold for this
//!   selection, under a UIDVALIDITY that no other session gives.
//! - If the lock cannot be made or the new UID database cannot be written, the old one stays and no
//!   unsaved UID is told. Messages without a saved UID stay unannounced and the command succeeds;
//!   it is NO where messages are delivered, where a folder is made, and, unless the disk is full,
//!   where no message has a saved UID.
//! - If `cur`, `new` and the keywords are proven unchanged, there is no lock, no temporary file and
//!   no scan. The proof is the times of the directories, where they lie further back than the clock
//!   of the file system is coarse, from a descriptor opened afresh (NFS caches attributes).
//! - A scan that has nothing to write takes no lock, and STATUS takes none: the UID file is one
//!   that was replaced as a whole, `new` is read before `cur`, and the UID file is the same at the
//!   end. Of many sessions that notice a delivery, one gives the UID and the others read it.
//! - The lock is held for a reading and for the writing and syncing of the UID file. Messages are
//!   synced before it is taken, directories when it is released. Who reads without it a UID file
//!   that is younger than a minute syncs the folder's directory, too, before a UID is told.
//! - The lock is retried at random, first after a fifth of a millisecond, then after longer waits
//!   the longer one session holds it, by inotify after a tenth of a second; for two minutes in
//!   all, then the answer is NO `[INUSE]`. Hang-up and signals end the wait. No flock(2) or
//!   fcntl(2) lock, ever: they do not work between hosts.
//! - A UID file is put in its place only under the lock, and if it replaces the one that was read.
//!   A session that finds only afterwards that its lock was taken begins a new UIDVALIDITY. So does
//!   one that finds a UID which it has told under another name. The next UID is above all that it
//!   has told.
//! - DELETE and RENAME do not sleep for two seconds. Before a folder goes, they wait until the
//!   clock has passed its UIDVALIDITY; so does UNSUBSCRIBE of an old-style shared folder.
//! - MOVE renames a message's file, when its new UID is on disk in a UID file that has yet to get
//!   its name. A rename is not undone: what has moved is told, whatever fails later. What cannot
//!   be renamed is copied, and removed when the copy and its UID are on disk.
//! - Synced before the answer: message file and directory for APPEND; the directory for COPY by
//!   hard link and for MOVE, the copy too where linking is not possible; the UID database and its directory
//!   before a new UID is told; new and renamed folders; the keyword list. Changes of flags and
//!   unlinks are not. `IMAP_FSYNC=0` leaves out all of it.
//! - `,S=` in a file name is trusted for the quota only, never for RFC822.SIZE.
//! - A folder is entered once for a command or a scan (`maildir/dir.rs`): its directory is opened,
//!   and what is below it is reached from that descriptor, by calls that take one name and follow
//!   no link (`sys/directory.rs`). So whoever exchanges a directory meanwhile redirects nothing,
//!   and ten thousand messages cost no path walk. Nothing is kept open between commands: folders
//!   are renamed and replaced. The links that Courier's features need are followed on entering, and
//!   nowhere else: `.Link` folders, `shared`, accounts of a shared index. Then the link must be
//!   root's, ours, or of the owner of what it leads to (`sys/enter.rs`).
//! - A file in a Maildir is opened without blocking, must be a regular file, and control files have
//!   a size cap: others may write there.
//! - No whole message and no whole part is ever in memory: a message of 300 MB is served, measured,
//!   searched and structured within 128 MiB of address space.
//!
//! ## The index
//!
//! Two files in a folder's directory, of which Courier knows nothing. Nothing is lost with them but
//! time: they are checked before they are believed, and whoever cannot write them goes on without.
//!
//! - The *state* (`maildir/state.rs`) is what was seen of the folder: UIDs, names, flags, keywords,
//!   and the modification sequence of each message. It is written under the folder's lock, by whoever
//!   sees a change first, before a client is told its modification sequence: at the end of a scan,
//!   and at the end of a STORE (`maildir/record.rs`).
//! - Modification sequences come in runs (`maildir/sequences.rs`). Where values may have been lost, a
//!   new run begins. A value that a client brings and that is in no run counts as 0: it is told all.
//! - A session opens a folder by the state alone where the times of `cur`, `new`, the keywords and
//!   the UID file are those that a complete reading began with (`maildir/scan/values.rs`). Names are
//!   read when a file is opened.
//! - What the state says of UIDs counts as what a session has told: the next UID is above it, and a
//!   UID under another name begins a new UIDVALIDITY.
//! - The *facts* (`maildir/facts`) are header fields and structures of messages, as somebody has
//!   parsed them (`mime/facts`). `session/message` is the one place that asks: for a size, a date, a
//!   field, a structure; it opens the file on the first miss. What was learned is saved when the
//!   client has its answer and asks for nothing else.
//!
//! ## The process
//!
//! - Courier's start script gives 128 MiB of address space, no PATH, HOME, LANG or TZ, and stray
//!   descriptors 3 and 4. An allocation that fails ends the session with BYE and a log line.
//! - The blocking mode of descriptors that we were given is not changed: others share them. End of
//!   input still answers the commands that were received.
//! - `RUST_LOG` is never read: the log is the administrator's.
//!
//! # Facts that shape the store
//!
//! - Messages are immutable. A change of flags is a rename, a deletion an unlink, and other
//!   sessions, programs and hosts do both at any moment. Every open, link, rename and unlink may
//!   find ENOENT (ESTALE on a network file system): look for the message under its new name, a
//!   bounded number of times, and only then say that it is gone.
//! - `courierimapuiddb` is the one authority for UIDs, read and replaced under Courier's dot-lock.
//! - 100,000 messages in a folder are ordinary, and 1,000,000 must work: keep a message's record
//!   small, never stat what is known, never rescan what is proven unchanged.
//! - Stored lines end in LF, lines on the wire in CRLF. Sizes, line counts and partial fetches
//!   count the latter.
//! - Bad days are normal days: a full disk, a stale lock, a file that nobody can rename, a
//!   directory that cannot be synced. The user can still log in, read what has a saved UID, and
//!   delete; nothing that was acknowledged is lost; the log says what, where and whose.
//!
//! # What the comments cite
//!
//! - `RFC n s`: a section of an RFC. A parser names the ABNF rule that it reads.
//! - `Courier:` what is so because Courier's imapd 5.0.13 does it.
//! - `PROTOCOL n`: a section of `src/commands/README.md`, on Courier's answers and ours.
//! - `STORAGE n`: a section of `src/maildir/README.md`, on the files, the locks and the settings.
//! - `lib.rs` and a title in quotes: a heading of this page.
//!
//! A test proves that each of these sections exists. The dialogs in `tests/dialogs` show the same
//! facts, played on both servers.

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

mod commands;
mod maildir;
mod mime;
mod response;
mod server;
mod session;
#[allow(unsafe_code)]
mod sys;
#[doc(hidden)]
pub mod testing;
mod types;
mod wire;

pub use server::main;

/// An allocation that fails ends the session in order.
#[global_allocator]
static ALLOCATOR: sys::alloc::Allocator = sys::alloc::Allocator;
