//! What the README and the manual page show of the last runs. Everything is made from their tables
//! in markdown, and stands between two marks in the pages: the text around it is written by hand
//! and holds no figures of theirs.

use super::chart::{self, Row, SERVERS};
use super::results::{NOT_COMPARABLE, group, time};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the README's figures.
const SHOWN: &str = "### 10,000 messages";
const MEMORY: &str = "memory (KiB)";

type Table<'a> = Vec<Vec<&'a str>>;

/// Writes the figures of the tables beside `target/bench` into the pages of a checkout.
pub fn draw(tables: &Path, root: &Path) -> io::Result<()> {
    let run =
        report(tables, "bench")?.ok_or_else(|| wrong("bench.md is not there: run --quick"))?;
    let day = section(&run, SHOWN)?;
    let rows = rows(day)?;
    let setting = Setting::of(&run, day);

    fs::write(root.join("man/benchmarks.svg"), chart::svg(&rows, &setting.caption()))?;
    let mut page = Page::open(root.join("man/postrider-benchmarks.7"), ".\\\" ", "")?;
    page.put("setting", &prose(&setting.sentence()))?;
    let work = table(day, "work");
    page.put("time", &tbl(&work, &["Courier", "Postrider", "Dovecot"]))?;
    page.put("ratios", &tbl(&work, &["/ Courier", "goal", "/ Dovecot", "/ limit"]))?;
    page.put("ways", &tbl(&work, &["first", "again", "Postrider"]))?;
    page.put("limits", &tbl(&work, &["limit"]))?;
    let memory = table(day, MEMORY);
    page.put("memory", &tbl(&memory, &["Courier", "Postrider", "Dovecot", "/ Courier", "goal"]))?;
    page.put("room", &prose(line(day, "Room of the index")))?;

    let mut extra = String::new();
    if let Some(run) = report(tables, "growth")? {
        let grown = section(&run, "### Growth")?;
        let work = table(grown, "work");
        let sizes: Vec<&str> = work[0].iter().copied().skip(1).collect();
        let (warm, first) = sizes.split_at(sizes.len() / 2);
        page.put("growth", &(tbl(&work, warm) + ".Pp\n" + &tbl(&work, first)))?;
        page.put("growth-memory", &prose(line(grown, "Memory per message")))?;
    }
    if let Some(run) = report(tables, "million")? {
        page.put("million", &tbl(&table(&run, "work"), &["Postrider", "first", "again"]))?;
        let opened = line(&run, "Opened warm in ");
        page.put("million-opened", &prose(opened))?;
        let took = opened.trim_start_matches("Opened warm in ").split(" (").next().unwrap_or("");
        let _ =
            write!(extra, "\nA new session has opened a folder of 1,000,000 messages in {took}.\n");
    }
    page.close()?;

    let mut readme = Page::open(root.join("README.md"), "<!-- ", " -->")?;
    let figures = format!(
        "{}\n{}\n{}{extra}",
        setting.sentence(),
        "\n![Time for the same work, beside Courier's and Dovecot's](man/benchmarks.svg)\n",
        readme_table(&rows, &memory)
    );
    readme.put("figures", &figures)?;
    readme.close()
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

/// The text of a run, if there was one; an error if it is no good.
fn report(tables: &Path, name: &str) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(tables.join(format!("{name}.md"))) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            eprintln!("bench: there is no {name}.md: its figures stay as they are");
            return Ok(None);
        }
        text => text?,
    };
    if text.contains(NOT_COMPARABLE) {
        return Err(wrong(format!("{name}.md holds wrong answers: run it again")));
    }
    Ok(Some(text))
}

/// From a heading that begins so to the next heading.
fn section<'a>(text: &'a str, heading: &str) -> io::Result<&'a str> {
    let missing = || wrong(format!("there is no \"{heading}\""));
    let at = text.find(heading).ok_or_else(missing)?;
    let rest = &text[at..];
    let end = rest[1..].find("\n### ").map_or(rest.len(), |n| n + 2);
    Ok(&rest[..end])
}

/// The rows of the chart, with each server's figures.
fn rows(day: &str) -> io::Result<Vec<Row>> {
    let rows = chart::rows(&table(day, "work"));
    for (server, name) in SERVERS.iter().enumerate() {
        if !rows.iter().any(|row| row.times[server].is_some()) {
            return Err(wrong(format!("bench.md has no figures of {name}")));
        }
    }
    Ok(rows)
}

/// The table whose first column is named so, without the rule below its head.
fn table<'a>(text: &'a str, first: &str) -> Table<'a> {
    let mut lines = text.lines().map(cells).skip_while(|c| c.first() != Some(&first));
    let head = lines.next();
    head.into_iter().chain(lines.skip(1).take_while(|c| c.len() > 1)).collect()
}

/// The cells of a line of a table in markdown.
fn cells(line: &str) -> Vec<&str> {
    line.trim()
        .strip_prefix('|')
        .map(|l| l.trim_end_matches('|').split('|').map(str::trim).collect())
        .unwrap_or_default()
}

/// The line that begins so.
fn line<'a>(text: &'a str, beginning: &str) -> &'a str {
    text.lines().find(|l| l.starts_with(beginning)).unwrap_or("")
}

/// Columns of a table in tbl(1), the table's first one before them; rows that have nothing in the
/// first of these stay away. Two blanks between columns: all of it stays within 80.
fn tbl(table: &Table, columns: &[&str]) -> String {
    let Some(head) = table.first() else { return String::new() };
    let places: Vec<Option<usize>> =
        columns.iter().map(|name| head.iter().position(|c| c == name)).collect();
    let layout = if columns.len() == 1 { "2 l" } else { "2 r" }.repeat(columns.len());
    let mut out = format!(".TS\nl{layout}.\n");
    for (n, row) in table.iter().enumerate() {
        let value = |at: &Option<usize>| {
            let cell = at.and_then(|at| row.get(at)).copied().unwrap_or("");
            cell.trim_end_matches([' ', '–'])
        };
        let values: Vec<&str> = places.iter().map(value).collect();
        if values.first().is_none_or(|v| v.is_empty()) {
            continue;
        }
        let shown = |text: &&str| match n {
            // The page says which ones these are.
            0 => format!("\\fI{}\\fR", text.trim_start_matches("first, ")),
            _ => (*text).to_owned(),
        };
        let cells: Vec<String> = row.iter().take(1).chain(&values).map(shown).collect();
        let _ = writeln!(out, "{}", cells.join("\t"));
    }
    out + ".TE\n"
}

/// Words in lines of at most 76 characters.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut room = 76;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if room < 76 && length >= room {
            out.push('\n');
            room = 76;
        } else if room < 76 {
            out.push(' ');
            room -= 1;
        }
        out.push_str(word);
        room = room.saturating_sub(length);
    }
    out.push('\n');
    out
}

/// On what the figures were taken.
struct Setting<'a> {
    machine: &'a str,
    servers: Vec<&'a str>,
    rounds: &'a str,
}

impl<'a> Setting<'a> {
    fn of(run: &'a str, day: &'a str) -> Self {
        let of = |name| line(run, name).trim_start_matches(name).trim();
        let heading = day.lines().next().unwrap_or("");
        Self {
            machine: of("Machine:").trim_end_matches("; warm cache."),
            servers: of("Servers:").trim_end_matches('.').split(", ").collect(),
            rounds: heading.split(", ").nth(1).and_then(|r| r.split(' ').next()).unwrap_or("?"),
        }
    }

    fn sentence(&self) -> String {
        format!(
            "10,000 messages (104 MB), medians of {} rounds; {}; {}.",
            self.rounds,
            self.servers.join(", "),
            self.machine
        )
    }

    fn caption(&self) -> String {
        let machine: Vec<&str> = self.machine.split(", ").take(2).collect();
        format!("10,000 messages, medians of {} rounds; {}", self.rounds, machine.join(", "))
    }
}

/// The README's table: the chart's rows, and the memory of a session.
fn readme_table(rows: &[Row], memory: &Table) -> String {
    let mut out = "| Work | Courier | Postrider | Dovecot | Postrider / Courier | Postrider, first time |\n|---|---:|---:|---:|---:|---:|\n".to_owned();
    let shown = |seconds: Option<f64>| seconds.map_or("–".to_owned(), time);
    for row in rows {
        let _ = write!(out, "| {} |", row.name);
        for time in row.times {
            let _ = write!(out, " {} |", shown(time));
        }
        let _ = writeln!(out, " {} | {} |", row.ratio, shown(row.first));
    }
    let private = memory.iter().find(|row| row[0] == "folder open: private dirty");
    let (Some(head), Some(private)) = (memory.first(), private) else { return out };
    let of = |name| head.iter().position(|c| *c == name).and_then(|at| private.get(at).copied());
    out.push_str("| private memory, folder open |");
    for server in SERVERS {
        let kib = of(server).and_then(|v| v.replace(',', "").parse().ok());
        let _ =
            write!(out, " {} |", kib.map_or("–".to_owned(), |k: u64| format!("{} KiB", group(k))));
    }
    let ratio = of("/ Courier").and_then(|r| r.split(' ').next()).unwrap_or("–");
    let _ = writeln!(out, " {ratio} | – |");
    out
}

/// A page that is written by hand but for what stands between two marks.
struct Page<'a> {
    path: PathBuf,
    text: String,
    /// What makes a line a comment, before and after.
    comment: (&'a str, &'a str),
}

impl<'a> Page<'a> {
    fn open(path: PathBuf, before: &'a str, after: &'a str) -> io::Result<Self> {
        Ok(Self { text: fs::read_to_string(&path)?, path, comment: (before, after) })
    }

    /// Puts text in the place of what stands between the marks of that name.
    fn put(&mut self, name: &str, text: &str) -> io::Result<()> {
        let (before, after) = self.comment;
        let begin = format!("{before}begin {name}: written by scripts/bench --draw{after}\n");
        let end = format!("{before}end {name}{after}\n");
        let missing = || wrong(format!("{}: no marks of \"{name}\"", self.path.display()));
        if text.trim().is_empty() {
            return Err(wrong(format!("the run has nothing for \"{name}\"")));
        }
        let from = self.text.find(&begin).ok_or_else(missing)? + begin.len();
        let length = self.text[from..].find(&end).ok_or_else(missing)?;
        self.text.replace_range(from..from + length, text);
        Ok(())
    }

    fn close(self) -> io::Result<()> {
        fs::write(&self.path, self.text)?;
        eprintln!("written: {}", self.path.display());
        Ok(())
    }
}
