//! Measures our server beside Courier's and Dovecot's: `scripts/bench` builds what is needed and
//! calls it. The client, the mail, the limits of the machine and the tables have a file each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod chart;
mod client;
mod contention;
mod idle;
mod limits;
mod mail;
mod results;
mod round;
mod servers;

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
    /// Where the chart goes; else beside the tables.
    chart: Option<PathBuf>,
    /// An earlier run's tables, to be drawn without measuring.
    draw: Option<PathBuf>,
}

fn main() {
    if let Err(e) = run() {
        eprintln!("bench: {e}");
        std::process::exit(1);
    }
}

const USAGE: &str = "\
usage: bench [--quick | --growth | --sizes N,N...] [--million] [--rounds N] [--processor]
             [--servers ours,courier,dovecot] [--only TEXT] [--appends N] [--limit KIB] [--chart FILE]
       bench --contention [--quick] [--rounds N] [--servers ours,courier,dovecot]
       bench --draw TABLE [--chart FILE]
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
        chart: None,
        draw: None,
    };
    let (mut quick, mut contends, mut rounds) = (false, false, None);
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
                plan.sizes = vec![1000, 10_000, 100_000];
                plan.growth = true;
                plan.limit = Some(131_072);
                plan.rounds = 3;
            }
            Long("sizes") => {
                let sizes = args.value()?.string()?;
                plan.sizes =
                    sizes.split(',').map(|n| number(&n.into())).collect::<Result<_, _>>()?;
            }
            Long("million") => plan.sizes.push(1_000_000),
            Long("rounds") => rounds = Some(number(&args.value()?)?),
            Long("appends") => plan.appends = number(&args.value()?)?,
            Long("servers") => {
                plan.servers = args.value()?.string()?.split(',').map(str::to_owned).collect();
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
            Long("chart") => plan.chart = Some(args.value()?.into()),
            Long("draw") => plan.draw = Some(args.value()?.into()),
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
    Ok(plan)
}

fn run() -> io::Result<()> {
    let plan = plan().unwrap_or_else(|error| refuse(error));
    if let Some(table) = &plan.draw {
        let text = fs::read_to_string(table)?;
        println!("{}", chart::table(&chart::rows(&text)));
        return draw(&text, plan.chart.as_deref(), table);
    }
    fs::create_dir_all(&plan.base)?;
    let base = fs::canonicalize(&plan.base)?;
    let servers: Vec<Server> =
        plan.servers.iter().filter_map(|name| server(&plan, name, &base)).collect();
    if servers.is_empty() {
        return Err(io::Error::other("no server to measure"));
    }
    let (kind, text) = match (plan.idle, plan.contention) {
        (Some(idle), _) => ("idle", idle.run(&servers, &base)?),
        (None, Some(contention)) => ("contention", contention.run(&servers, &base)?),
        (None, None) => ("bench", measure(&plan, &servers, &base)?),
    };
    let report = format!("{}\n{text}", machine());
    let at = base.parent().unwrap_or(Path::new(".")).join(format!("{kind}.md"));
    fs::write(&at, &report)?;
    println!("{report}");
    eprintln!("written to {}", at.display());
    if kind == "bench" && plan.only.is_none() {
        draw(&report, plan.chart.as_deref(), &at)?;
    }
    Ok(())
}

/// The chart of a run's tables, and the tables for the manual page: beside the report's file.
fn draw(report: &str, svg: Option<&Path>, at: &Path) -> io::Result<()> {
    let (beside, tbl) = (at.with_extension("svg"), at.with_extension("tbl"));
    let svg = svg.unwrap_or(&beside);
    let rows = chart::rows(report);
    if rows.is_empty() {
        return Err(io::Error::other("there is no table of work to draw"));
    }
    let what = report.lines().find_map(|l| l.strip_prefix("### ")).unwrap_or("");
    let machine = report.lines().find_map(|l| l.strip_prefix("Machine: ")).unwrap_or("");
    let machine = machine.split(" processors").next().unwrap_or(machine);
    fs::write(svg, chart::svg(&rows, &format!("{what}; {machine} processors, warm cache")))?;
    fs::write(&tbl, chart::tbl(report))?;
    eprintln!("drawn: {} (and {} for the manual page)", svg.display(), tbl.display());
    Ok(())
}

fn server(plan: &Plan, name: &str, base: &Path) -> Option<Server> {
    let (kind, program) = match name {
        "ours" => (Kind::Ours, &plan.ours),
        "courier" => (Kind::Courier, &plan.courier),
        "dovecot" => (Kind::Dovecot, &plan.dovecot),
        _ => refuse(format!("no such server: {name}")),
    };
    let Ok(program) = fs::canonicalize(program) else {
        eprintln!("bench: {} is not there, {name} is left out", program.display());
        return None;
    };
    let mut server = Server::new(kind, program, base);
    if kind == Kind::Ours {
        server.limit = plan.limit;
    }
    Some(server)
}

fn measure(plan: &Plan, servers: &[Server], base: &Path) -> io::Result<String> {
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
            few: messages > 200_000,
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

/// One line on the machine.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
        .map_or("?", |p| p.1);
    let cores = cpu.lines().filter(|l| l.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let gigabytes = servers::field(&memory, "MemTotal:") / 1_000_000;
    format!(
        "Machine: {model}, {cores} processors, {gigabytes} GB, Linux {}; warm cache.\n",
        kernel.trim()
    )
}
