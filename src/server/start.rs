//! From the start of the process to the greeting, in Courier's order (STORAGE 10.6): who is served,
//! from where, and every check with its text.

use crate::commands;
use crate::maildir::account::AccountOptions;
use crate::maildir::outbox::{Mailer, Outbox};
use crate::maildir::quota::QuotaLimits;
use crate::maildir::resolve::{Namespace, Settings};
use crate::maildir::{Config, Host, Store, trash};
use crate::response::session::{Bye, FatalBye, Preauth};
use crate::session::{
    Client, Code, Compression, Counts, Features, Options, Outcome, Session, logging,
};
use crate::sys::directory::Directory;
use crate::sys::stat::Stat;
use crate::sys::stdio::Stdio;
use crate::sys::{alloc, clock, fs, process, signals, user};
use crate::wire::{Io, output::STALL};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
imapd: serves one IMAP session on standard input and output over one Maildir.

usage: imapd [MAILDIR]      (default: $MAILDIR, else ./Maildir)
       imapd --version
       imapd --help

Started by imaplogin (couriertcpd, inetd) it takes the user and the address from the
environment; started by hand it greets with PREAUTH. See imapd(8).
";

/// The sticky bit on a home directory locks the account.
const STICKY: u32 = 0o1000;
/// The file in `tmp` whose time is the file system's.
const SKEW_FILE: &str = "courier-imap.clockskew.chk";
/// How far the file server's clock may be off, in seconds.
const SKEW: u64 = 30;

/// Everything before the first command: a session, or the exit status of a process that has said
/// why not.
pub(crate) fn open(argument: Option<OsString>) -> Result<Session, ExitCode> {
    alloc::give_back_large_buffers();
    signals::install();
    process::no_core_files();
    process::limit_modes();
    clock::read_time_zone();
    let options = Options::from_environment();
    let mut io = Io::new(Box::new(Stdio::new(STALL)));
    let client = client(&options, &mut io)?;
    logging::start_session(&client.user);
    if options.protocol == b"SMAP1" {
        bye(&mut io, "The SMAP1 protocol is not served here.");
        log::error!("PROTOCOL=SMAP1 is not supported");
        return Err(ExitCode::FAILURE);
    }
    let locked = Path::new(".").metadata().map_or(true, |m| m.mode() & STICKY != 0);
    if locked {
        log::info!(
            "LOCKED, user={}, ip=[{}], port=[{}]",
            logging::shown(&client.user),
            logging::shown(&client.ip),
            logging::shown(&client.port)
        );
        bye(&mut io, "Your account is temporarily unavailable (+t bit set on home directory).");
        return Err(ExitCode::SUCCESS);
    }
    enter(&options, argument, &client, &mut io)?;
    login_program();
    check_owner(&options, &client, &mut io)?;
    trace(&options, &mut io);

    let account = AccountOptions::parse(&options.account);
    let host = user::hostname();
    let config = Config {
        host: Host::new(options.hostname.as_deref().unwrap_or(&host)),
        lock_host: host,
        use_locks: options.use_locks,
        fsync: options.fsync,
        index: options.index,
        index_size: options.index_size.saturating_mul(1024 * 1024),
        keywords: options.keywords,
        quota: options.maildir_quota.as_deref().and_then(QuotaLimits::parse),
    };
    let namespace = Namespace::new(Settings {
        root: Path::new(".").to_path_buf(),
        host: config.host.clone(),
        fsync: config.fsync,
        user: client.user.clone(),
        options: account.clone(),
        index_file: options.shared_index.clone(),
        munge: options.shared_munge,
        index: options.index,
    });
    let mut s = Session {
        io,
        account,
        namespace,
        trash: trash::folder_name(Some(&options.trash)),
        outbox: outbox(&options, &client),
        store: Store::new(config),
        selected: None,
        left: None,
        told_sequence: 0,
        enabled: Features::default(),
        client,
        counts: Counts::default(),
        started: clock::monotonic(),
        over: false,
        compression: Compression::Off,
        options,
    };
    log_unknown_extensions(&s);
    // The clock first: by a wrong one, mail that was thrown away a minute ago may look old enough
    // to be purged.
    check_clock(&mut s)?;
    empty_trash(&s);
    greet(&mut s)?;
    Ok(s)
}

/// So many unknown words of `IMAP_EXTENSIONS` are logged.
const MAX_UNKNOWN: usize = 5;

/// Says which words of `IMAP_EXTENSIONS` are not known.
fn log_unknown_extensions(s: &Session) {
    let unknown = commands::unknown_extensions(&s.options);
    for word in unknown.iter().take(MAX_UNKNOWN) {
        let word = logging::shown(word.as_bytes());
        log::warn!("IMAP_EXTENSIONS: {word} is no extension of this server");
    }
    if let Some(more) = unknown.len().checked_sub(MAX_UNKNOWN).filter(|more| *more > 0) {
        log::warn!("IMAP_EXTENSIONS: {more} more unknown words");
    }
}

/// The folder whose messages are mailed, and by what.
fn outbox(options: &Options, client: &Client) -> Option<Outbox> {
    let mailer = Mailer {
        program: options.sendmail.clone(),
        sender: options.auth_address.clone().or_else(|| Some(client.user.clone())),
        header: options.header_from.clone(),
        user: client.user.clone(),
    };
    Outbox::new(options.outbox.as_deref(), options.outbox_multiple, mailer)
}

/// Ends a session that does not begin.
fn bye(io: &mut Io, text: &str) {
    io.end_response();
    super::close(io, &Bye(text));
}

/// `* BYE [ALERT] Fatal error: <what>: <reason>`
fn fatal(io: &mut Io, client: &Client, what: &str, reason: &str) -> ExitCode {
    super::close(io, &FatalBye { what, reason });
    log::error!(target: logging::COURIER, "{}: {what}", logging::shown(&client.user));
    ExitCode::FAILURE
}

/// Who is served: the login process's word, or the user of the process.
fn client(options: &Options, io: &mut Io) -> Result<Client, ExitCode> {
    if options.login_tag.is_some() {
        let Some(user) = options.authenticated.clone() else {
            bye(io, "AUTHENTICATED environment variable not set.");
            return Err(ExitCode::SUCCESS);
        };
        if options.remote_ip.is_empty() || options.remote_port.is_empty() {
            return Err(ExitCode::SUCCESS);
        }
        return Ok(Client {
            user,
            ip: options.remote_ip.clone(),
            port: options.remote_port.clone(),
        });
    }
    let user = match options.authenticated.clone() {
        Some(user) => user,
        None => user::passwd_name().ok_or_else(|| {
            log::error!("uid {} not found in passwd file", user::uid());
            ExitCode::FAILURE
        })?,
    };
    Ok(Client { user, ip: b"127.0.0.1".to_vec(), port: b"0".to_vec() })
}

/// Changes into the Maildir, for good: `MAILDIR`, else the argument, else `./Maildir` (the order of
/// Courier's manual page).
fn enter(
    options: &Options,
    argument: Option<OsString>,
    client: &Client,
    io: &mut Io,
) -> Result<(), ExitCode> {
    let argument = argument.map(OsString::into_vec);
    let maildir = options
        .maildir
        .as_ref()
        .or(argument.as_ref())
        .map_or_else(|| b"./Maildir".to_vec(), Clone::clone);
    process::change_directory(fs::path(&maildir)).map_err(|e| {
        let reason = fs::error_text(&e);
        log::error!(target: logging::BARE, "chdir {}: {reason}", logging::shown_path(&maildir));
        fatal(io, client, &reason, &reason)
    })?;
    // People export MAILDIR; a login process that says two things was set up that way.
    if let Some(argument) = argument.filter(|a| options.login_tag.is_some() && *a != maildir) {
        let (maildir, argument) = (logging::shown_path(&maildir), logging::shown(&argument));
        log::warn!("MAILDIR={maildir} is served, not the argument {argument}");
    }
    Ok(())
}

/// Runs `loginexec` if it is there and executable, and takes it away when it succeeds (STORAGE
/// 10.3). It has the connection for itself, no other descriptor of ours, and (Courier) our
/// environment as it is: it runs as the user, who may read it anyway.
fn login_program() {
    const NAME: &[u8] = b"loginexec";
    let Ok(here) = Directory::enter(Path::new(".")) else { return };
    if !here.stat(NAME).is_ok_and(|stat| stat.is_file() && stat.mode() & 0o100 != 0) {
        return;
    }
    use std::os::unix::process::CommandExt;
    match process::succeeds(Command::new("./loginexec").arg0("loginexec")) {
        Ok(true) => {
            if let Err(e) = here.unlink(NAME) {
                log::error!("removing ./loginexec: {}", fs::error_text(&e));
            }
        }
        Ok(false) => {}
        Err(e) => log::error!("running ./loginexec: {}", fs::error_text(&e)),
    }
}

fn check_owner(options: &Options, client: &Client, io: &mut Io) -> Result<(), ExitCode> {
    if !options.sanity_check {
        return Ok(());
    }
    let ours =
        Path::new(".").metadata().is_ok_and(|m| m.uid() == user::euid() && m.gid() == user::egid());
    if ours {
        return Ok(());
    }
    Err(fatal(io, client, "Account's mailbox directory is not owned by the correct uid or gid", ""))
}

/// Starts the trace if the file of that name is there (STORAGE 10.4).
fn trace(options: &Options, io: &mut Io) {
    use std::io::Write;
    let Some(name) = &options.debug_file else { return };
    let mut file = match fs::open_append_anywhere(fs::path(name)) {
        Ok((file, _)) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
        Err(e) => {
            log::error!("{}: {}", logging::shown_path(name), fs::error_text(&e));
            return;
        }
    };
    io.set_trace(Box::new(move |text| {
        let _ = file.write_all(text);
    }));
}

/// Applies `IMAP_EMPTYTRASH`: before the greeting and at LOGOUT (STORAGE 10.1). Files are as old as
/// the file system says, whose times they bear; where our own clock is behind that, they are
/// younger.
pub(crate) fn empty_trash(s: &Session) {
    if let Some(setting) = &s.options.empty_trash {
        let ours = clock::now().0;
        let now = file_time().map_or(ours, |time| time.min(ours));
        trash::purge(Path::new("."), &trash::rules(setting, &s.trash), &s.quota(), now);
    }
}

/// The file system's own time, in seconds since 1970, by a file that is made for it; `None` if none
/// can be made.
fn file_time() -> Option<i64> {
    let name = SKEW_FILE.as_bytes();
    let tmp = Directory::enter(Path::new(".")).and_then(|here| here.open_directory(b"tmp")).ok()?;
    let file = (0..10).find_map(|_| {
        let _ = tmp.unlink(name);
        match tmp.create_new(name, 0o666) {
            // Another session begins in this very moment.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => None,
            made => Some(made),
        }
    });
    let time = file?.and_then(|file| Stat::of(&file)).map(|stat| stat.mtime()).ok();
    let _ = tmp.unlink(name);
    time
}

/// A file server whose clock differs would break locks and UIDVALIDITY: the session does not begin.
fn check_clock(s: &mut Session) -> Result<(), ExitCode> {
    let ours = clock::now().0;
    let skew = file_time().map_or(0, |time| time.saturating_sub(ours));
    if skew.unsigned_abs() > SKEW {
        let which = if skew > 0 { "ahead of" } else { "behind" };
        let seconds = skew.unsigned_abs();
        log::error!(
            "./tmp/{SKEW_FILE}: the file system's clock is {seconds} s {which} this host's"
        );
        bye(&mut s.io, "Clock skew detected. Check the clock on the file server");
        return Err(ExitCode::SUCCESS);
    }
    Ok(())
}

fn greet(s: &mut Session) -> Result<(), ExitCode> {
    // imaplogin's greeting names what Courier has, and clients believe it until they are told more
    // (RFC 3501 7.2.1).
    let words = if s.has_additions() { commands::capabilities(&s.options) } else { Vec::new() };
    match s.options.login_tag.clone() {
        Some(tag) => {
            let welcome = Outcome::ok("LOGIN Ok.").with_code(Code::Capability(words));
            s.tagged(Some(&tag), &welcome);
        }
        None => s.send(&Preauth(&words)),
    }
    let refusal = if s.account.flag("disableimap") {
        Some("IMAP access disabled for this account.")
    } else if s.account.flag("disableinsecureimap") && !s.options.tls {
        Some("IMAP access disabled via insecure connection.")
    } else {
        None
    };
    if let Some(text) = refusal {
        bye(&mut s.io, text);
        return Err(ExitCode::SUCCESS);
    }
    let protocol = if s.options.protocol.is_empty() { b"IMAP" } else { &*s.options.protocol };
    log::info!("LOGIN, {}, protocol={}", s.who(), logging::shown(protocol));
    Ok(())
}
