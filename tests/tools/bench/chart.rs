//! The chart of a run: a line for each piece of work that a client does all day.

use std::fmt::Write;

/// The rows of the chart and of the README: what a client does all day.
const ROWS: [&str; 20] = [
    "exec to greeting",
    "first SELECT (no UID database)",
    "SELECT",
    "NOOP, nothing changed",
    "FETCH RFC822.SIZE",
    "FETCH ENVELOPE, FLAGS, DATE, SIZE",
    "FETCH of header fields",
    "FETCH BODYSTRUCTURE",
    "FETCH BODY.PEEK[] of all",
    "SEARCH SUBJECT",
    "SEARCH FROM",
    "SEARCH BODY",
    "SORT (DATE)",
    "SORT (SUBJECT)",
    "THREAD REFERENCES",
    "STATUS of 500 folders",
    "LIST of 5,000 folders",
    "STORE on all",
    "COPY of 1,000",
    "APPEND of 200, synced",
];
pub const SERVERS: [&str; 3] = ["Courier", "Postrider", "Dovecot"];

/// A piece of work, and each server's time in seconds.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub times: [Option<f64>; 3],
    /// Ours without an index.
    pub first: Option<f64>,
    /// Ours to Courier's, as the table has it: the median over the rounds.
    pub ratio: String,
}

/// The rows of the table whose first column is "work".
pub fn rows(table: &[Vec<&str>]) -> Vec<Row> {
    let Some((head, lines)) = table.split_first() else { return Vec::new() };
    let column = |name: &str| head.iter().position(|c| *c == name);
    let servers = SERVERS.map(column);
    let (ratio, first) = (column("/ Courier"), column("first"));
    let all: Vec<Row> = lines
        .iter()
        .map(|c| Row {
            name: c[0].to_owned(),
            times: servers.map(|at| seconds(c.get(at?)?)),
            first: first.and_then(|at| seconds(c.get(at)?)),
            ratio: ratio.and_then(|at| c.get(at)?.split(' ').next()).unwrap_or("–").to_owned(),
        })
        .collect();
    ROWS.iter().filter_map(|name| all.iter().find(|r| same(&r.name, name)).cloned()).collect()
}

/// The number of messages that are appended depends on the run.
fn same(name: &str, wanted: &str) -> bool {
    let synced = |n: &str| n.starts_with("APPEND of") && n.ends_with(", synced");
    name == wanted || synced(name) && synced(wanted)
}

/// "2.90 ms" in seconds.
fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ')?;
    let scale = match unit {
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| n * scale)
}

const WIDTH: f64 = 880.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 84.0;
const STEP: f64 = 30.0;
/// The axis: powers of ten, in seconds.
const FROM: i32 = -5;
const TO: i32 = 1;

/// Where a time lies on the axis, which is logarithmic.
fn x(seconds: f64) -> f64 {
    let share = (seconds.log10() - f64::from(FROM)) / f64::from(TO - FROM);
    LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
}

/// The chart: a line per piece of work, a mark per server, time on a logarithmic axis. It has a ground of its own, light or dark.
pub fn svg(rows: &[Row], what: &str) -> String {
    let height = TOP + STEP * rows.len() as f64 + 34.0;
    let bottom = height - 34.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>Time taken by Courier, Postrider and Dovecot</title>\n{STYLE}\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"head\" x=\"20\" y=\"30\">Time for the same work; left is faster (logarithmic)</text>\n\
         <text class=\"small\" x=\"20\" y=\"50\">{}</text>\n",
        escape(what)
    );
    for (n, server) in SERVERS.iter().enumerate() {
        let at = 560.0 + 100.0 * n as f64;
        mark(&mut out, n, at, 26.0);
        let _ = writeln!(out, "<text class=\"label\" x=\"{}\" y=\"30\">{server}</text>", at + 12.0);
    }
    for power in FROM..=TO {
        let at = x(10f64.powi(power));
        let name = match power {
            -5 => "10 µs",
            -4 => "100 µs",
            -3 => "1 ms",
            -2 => "10 ms",
            -1 => "100 ms",
            0 => "1 s",
            _ => "10 s",
        };
        let _ =
            writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {:.1}V{bottom:.1}\"/>", TOP - 14.0);
        let _ = writeln!(
            out,
            "<text class=\"small middle\" x=\"{at:.1}\" y=\"{:.1}\">{name}</text>",
            bottom + 20.0
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"small end\" x=\"{:.1}\" y=\"{:.1}\">/ Courier</text>",
        WIDTH - 20.0,
        TOP - 16.0
    );
    for (n, row) in rows.iter().enumerate() {
        let y = TOP + STEP * n as f64 + 6.0;
        let _ = writeln!(
            out,
            "<text class=\"label end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 14.0,
            y + 4.0,
            escape(&row.name)
        );
        if let (Some(courier), Some(ours)) = (row.times[0], row.times[1]) {
            let _ = writeln!(
                out,
                "<path class=\"join\" d=\"M{:.1} {y:.1}H{:.1}\"/>",
                x(ours),
                x(courier)
            );
            let _ = writeln!(
                out,
                "<text class=\"ratio end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH - 20.0,
                y + 4.0,
                escape(&row.ratio)
            );
        }
        // Ours last, so that it lies on top.
        for server in [0, 2, 1] {
            if let Some(time) = row.times[server] {
                mark(&mut out, server, x(time), y);
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = "<style>\n\
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }\n\
    .head, .ratio { font-weight: 600 } .small { font-size: 12px; fill: #59636e }\n\
    .end { text-anchor: end } .middle { text-anchor: middle }\n\
    .ground { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .join { stroke: #9a6700; stroke-width: 2 }\n\
    .s0 { fill: #6e7781 } .s1 { fill: #bc4c00 } .s2 { fill: #ffffff; stroke: #0969da; stroke-width: 2 }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #e6edf3 } .small { fill: #9198a1 }\n\
    .ground { fill: #0d1117; stroke: #3d444d } .grid { stroke: #30363d } .join { stroke: #d29922 }\n\
    .s0 { fill: #9198a1 } .s1 { fill: #f0883e } .s2 { fill: #0d1117; stroke: #4493f8 }\n\
    }\n</style>\n";

/// A server's mark, of a shape of its own: colours alone do not tell everybody apart.
fn mark(out: &mut String, server: usize, x: f64, y: f64) {
    let _ = match server {
        0 => writeln!(
            out,
            "<rect class=\"s0\" x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\"/>",
            x - 5.0,
            y - 5.0
        ),
        1 => writeln!(out, "<circle class=\"s1\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.5\"/>"),
        _ => writeln!(out, "<circle class=\"s2\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>"),
    };
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
