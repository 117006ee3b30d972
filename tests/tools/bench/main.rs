//! Measures our server beside Courier's and Dovecot's: `scripts/bench` builds what is needed and
//! calls it. The client, the mail, the limits of the machine and the tables have a file each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod chart;
mod client;
mod contention;
mod idle;
mod limits;
mod mail;
mod pages;
mod results;
mod round;
mod servers;
mod work;

use lexopt::ValueExt;
use lexopt::prelude::Long;
use results::{Results, growth, listed};
use servers::{Kind, Server};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

struct Plan {
    sizes: Vec<usize>,
    rounds: usize,
    appends: usize,
    servers: Vec<String>,
    ours: PathBuf,
    courier: PathBuf,
    dovecot: PathBuf,
    generator: PathBuf,
    base: PathBuf,
    only: Option<String>,
    growth: bool,
    processor: bool,
    /// KiB of address space for our sessions.
    limit: Option<u64>,
    idle: Option<idle::Plan>,
    contention: Option<contention::Plan>,
    /// Whether the sizes are other than usual.
    is_sized: bool,
    /// Nothing is measured: the figures of the last runs go into the pages of the checkout here.
    draw: bool,
    pages: PathBuf,
}

impl Plan {
    /// The name of the file of tables. What is not the whole of a run does not take the place of
    /// one.
    fn report(&self, servers: &[Server]) -> &'static str {
        match (self.idle, self.contention) {
            (Some(idle), _) if idle.many => "idle-many",
            (Some(_), _) => "idle",
            (None, Some(_)) => "contention",
            _ if self.only.is_some() || self.processor || self.is_sized => "part",
            _ if self.growth => "growth",
            _ if self.sizes == [MILLION] => "million",
            _ if servers.len() < 3 => "part",
            _ => "bench",
        }
    }
}

fn main() {
    if let Err(e) = run() {
        eprintln!("bench: {e}");
        std::process::exit(1);
    }
}

/// The size of the very large folder.
const MILLION: usize = 1_000_000;

const USAGE: &str = "\
usage: bench [--quick | --growth | --million | --sizes N,N...] [--rounds N] [--processor]
             [--servers ours,courier,dovecot] [--only TEXT] [--appends N] [--limit KIB]
       bench --contention [--quick] [--rounds N] [--servers ours,courier,dovecot]
       bench --draw
       bench --idle-notice [--sessions N] [--changes N] | --idle-many [--sessions N] [--seconds N]";

/// Ends the program, because it was called in a wrong way.
fn refuse(what: impl std::fmt::Display) -> ! {
    eprintln!("bench: {what}\n{USAGE}");
    std::process::exit(2)
}

/// A number greater than 0, such as `10_000`.
fn number(value: &OsString) -> Result<usize, lexopt::Error> {
    let text = value.to_string_lossy().replace(['_', ','], "");
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("{value:?} is no number greater than 0").into()),
    }
}

fn plan() -> Result<Plan, lexopt::Error> {
    let mut plan = Plan {
        sizes: vec![1000, 10_000, 100_000],
        rounds: 5,
        appends: 1000,
        servers: vec!["courier".into(), "ours".into(), "dovecot".into()],
        ours: "target/release/imapd".into(),
        courier: "/usr/bin/imapd".into(),
        dovecot: "/usr/lib/dovecot/imap".into(),
        generator: "target/release/gen-maildir".into(),
        base: "target/bench".into(),
        only: None,
        growth: false,
        processor: false,
        limit: None,
        idle: None,
        contention: None,
        is_sized: false,
        draw: false,
        pages: ".".into(),
    };
    let (mut quick, mut contends, mut rounds) = (false, false, None);
    // Some runs are of our server alone, unless others are asked for.
    let (mut alone, mut servers) = (false, None);
    let mut args = lexopt::Parser::from_env();
    while let Some(argument) = args.next()? {
        match argument {
            Long("quick") => {
                quick = true;
                plan.sizes = vec![10_000];
                plan.rounds = 3;
                plan.appends = 200;
            }
            Long("growth") => {
                plan.sizes = vec![10_000, 100_000];
                plan.growth = true;
                plan.limit = Some(131_072);
                plan.rounds = 3;
                plan.appends = 200;
                alone = true;
            }
            Long("sizes") => {
                plan.is_sized = true;
                let sizes = args.value()?.string()?;
                plan.sizes =
                    sizes.split(',').map(|n| number(&n.into())).collect::<Result<_, _>>()?;
            }
            Long("million") => {
                plan.sizes = vec![MILLION];
                plan.rounds = 1;
                alone = true;
            }
            Long("rounds") => rounds = Some(number(&args.value()?)?),
            Long("appends") => plan.appends = number(&args.value()?)?,
            Long("servers") => {
                let list = args.value()?.string()?;
                servers = Some(list.split(',').map(str::to_owned).collect());
            }
            Long("only") => plan.only = Some(args.value()?.string()?),
            Long("processor") => {
                plan.processor = true;
                client::by_processor();
            }
            Long("limit") => plan.limit = Some(number(&args.value()?)? as u64),
            Long("ours") => plan.ours = args.value()?.into(),
            Long("generator") => plan.generator = args.value()?.into(),
            Long("dovecot") => plan.dovecot = args.value()?.into(),
            Long("draw") => plan.draw = true,
            Long("pages") => plan.pages = args.value()?.into(),
            Long("base") => plan.base = args.value()?.into(),
            Long("contention") => contends = true,
            Long("idle-notice") => plan.idle = Some(idle::Plan::notice()),
            Long("idle-many") => plan.idle = Some(idle::Plan::many()),
            Long(name @ ("sessions" | "changes" | "seconds")) => {
                let name = name.to_owned();
                let n = number(&args.value()?)?;
                let Some(idle) = &mut plan.idle else {
                    return Err(format!("--{name} goes with --idle-notice or --idle-many").into());
                };
                match &*name {
                    "sessions" => idle.sessions = n,
                    "changes" => idle.changes = n,
                    _ => idle.seconds = n as u64,
                }
            }
            _ => return Err(argument.unexpected()),
        }
    }
    if contends {
        let mut contention =
            if quick { contention::Plan::quick() } else { contention::Plan::usual() };
        contention.rounds = rounds.unwrap_or(contention.rounds);
        plan.contention = Some(contention);
    }
    plan.rounds = rounds.unwrap_or(plan.rounds);
    if alone {
        plan.servers = vec!["ours".into()];
    }
    plan.servers = servers.unwrap_or(plan.servers);
    Ok(plan)
}

fn run() -> io::Result<()> {
    let plan = plan().unwrap_or_else(|error| refuse(error));
    let beside = plan.base.parent().unwrap_or(Path::new(".")).to_owned();
    if plan.draw {
        return pages::draw(&beside, &plan.pages);
    }
    fs::create_dir_all(&plan.base)?;
    let base = fs::canonicalize(&plan.base)?;
    let mut servers = Vec::new();
    for name in &plan.servers {
        servers.extend(server(&plan, name, &base)?);
    }
    if servers.is_empty() {
        return Err(io::Error::other("no server to measure"));
    }
    let mut wrong = Vec::new();
    let text = match (plan.idle, plan.contention) {
        (Some(idle), _) => idle.run(&servers, &base)?,
        (None, Some(contention)) => contention.run(&servers, &base)?,
        (None, None) => measure(&plan, &servers, &base, &mut wrong)?,
    };
    let report = format!("{}\n{text}", machine(&servers));
    let at = beside.join(format!("{}.md", plan.report(&servers)));
    fs::write(&at, &report)?;
    println!("{report}");
    eprintln!("written to {}", at.display());
    match wrong.len() {
        0 => Ok(()),
        n => Err(io::Error::other(format!("{n} answers are wrong:\n{}", wrong.join("\n")))),
    }
}

fn server(plan: &Plan, name: &str, base: &Path) -> io::Result<Option<Server>> {
    let (kind, program) = match name {
        "ours" => (Kind::Ours, &plan.ours),
        "courier" => (Kind::Courier, &plan.courier),
        "dovecot" => (Kind::Dovecot, &plan.dovecot),
        _ => refuse(format!("no such server: {name}")),
    };
    let Ok(program) = fs::canonicalize(program) else {
        eprintln!("bench: {} is not there, {name} is left out", program.display());
        return Ok(None);
    };
    let mut server = Server::new(kind, program, base)?;
    if kind == Kind::Ours {
        server.limit = plan.limit;
    }
    Ok(Some(server))
}

/// The tables of all sizes; `wrong` gets what went wrong.
fn measure(
    plan: &Plan,
    servers: &[Server],
    base: &Path,
    wrong: &mut Vec<String>,
) -> io::Result<String> {
    let mut runs = Vec::new();
    let mut text = String::new();
    if plan.processor {
        text.push_str("Times are of the processor: waits for the disk and for the client are left out. The greeting and IDLE are by the clock.\n\n");
    }
    for &messages in &plan.sizes {
        let master = mail::master(base, messages, &plan.generator)?;
        mail::account(&base.join("limit"), &master)?;
        for server in servers {
            fs::create_dir_all(&server.home)?;
            mail::account(&server.maildir(), &master)?;
            // Dovecot makes an index of the list of folders when it first sees them, which is not
            // what SELECT costs.
            let (mut session, _) = client::Session::start(server.command(true)?)?;
            session.command("LIST \"\" *")?;
            // As in life: every folder was opened once.
            for n in 0..mail::WITH_MAIL {
                session.command(&format!("SELECT {}f{n:04}", server.prefix))?;
            }
            session.logout()?;
        }
        let results = Results {
            messages,
            rounds: plan.rounds,
            servers: listed(servers),
            ..Results::default()
        };
        let samples = mail::samples(&master, plan.appends)?;
        let mut bench = round::Bench {
            servers: servers.to_vec(),
            results,
            base: base.to_owned(),
            master,
            samples,
            only: plan.only.clone(),
            few: messages > mail::LARGE,
            round: 0,
        };
        for round in 0..plan.rounds {
            bench.round = round;
            bench.round()?;
            eprintln!(" {messages} messages, round {} of {}", round + 1, plan.rounds);
        }
        bench.results.check();
        text.push_str(&bench.results.markdown());
        text.push('\n');
        wrong.extend(bench.results.wrong.iter().map(|w| format!("{messages} messages: {w}")));
        runs.push(bench.results);
    }
    if plan.growth && runs.len() > 1 {
        text.push_str(&growth(&runs));
        if let Some(limit) = plan.limit {
            text.push_str(&format!(
                "\nAll of Postrider's sessions ran under `ulimit -v {limit}`.\n"
            ));
        }
    }
    Ok(text)
}

/// One line on the machine, and one on the servers.
fn machine(servers: &[Server]) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
        .map_or("?", |p| p.1);
    let cores = cpu.lines().filter(|l| l.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let gigabytes = servers::field(&memory, "MemTotal:") / 1_000_000;
    // Without what a distribution or a host appends to it.
    let kernel = kernel.trim().split('-').next().unwrap_or("");
    let with_version = |s: &Server| format!("{} {}", s.name, s.version).trim_end().to_owned();
    let servers: Vec<String> = servers.iter().map(with_version).collect();
    format!(
        "Machine: {model}, {cores} processors, {gigabytes} GB, Linux {kernel}; warm cache.\nServers: {}.\n",
        servers.join(", ")
    )
}
