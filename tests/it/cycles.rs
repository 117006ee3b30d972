//! No two files of `src/` import each other, not by way of others either. (The layers, which are
//! coarser, are the business of `scripts/check-layers`.) What a `mod.rs` defines for the files
//! below it is not counted; what it only passes on is followed to its file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module, by its path below the crate.
type Module = Vec<String>;

/// The text of each module, without comments and without the tests at its end.
fn modules() -> BTreeMap<Module, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut open = vec![src.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
                continue;
            }
            let name = entry.strip_prefix(&src).unwrap().with_extension("");
            let mut module: Module =
                name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let is_code = entry.extension().is_some_and(|e| e == "rs");
            if is_code && !module.iter().any(|m| matches!(&**m, "tests" | "testing" | "lib")) {
                let text = fs::read_to_string(&entry).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
                found.insert(module, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    found
}

/// The paths that begin with `crate::` or `super::`, groups taken apart.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':')) {
                expand(String::new(), &text[at..], &mut found);
            }
        }
    }
    found
}

/// Takes one path, or group of paths, off the text; what is left.
fn expand<'a>(mut path: String, mut rest: &'a str, found: &mut Vec<String>) -> &'a str {
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            rest = group;
            while !rest.trim_start().starts_with('}') {
                rest = expand(path.clone(), rest, found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest);
                if rest.is_empty() {
                    return rest;
                }
            }
            return &rest.trim_start()[1..];
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push_str(&rest[..end]);
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(more) => {
                path.push_str("::");
                rest = more;
            }
            None => break,
        }
    }
    found.push(path);
    // A renaming, or what is no name: up to the end of this item.
    let end = rest.find([',', '}', ';', '\n']).unwrap_or(rest.len());
    &rest[end..]
}

/// The module that a path in `from` leads to, through one `pub use` at most.
fn target(all: &BTreeMap<Module, String>, from: &Module, path: &str) -> Option<Module> {
    let mut parts = path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let ups = parts.iter().take_while(|p| *p == "super").count();
    let mut full = if ups > 0 { from[..from.len().checked_sub(ups)?].to_vec() } else { Vec::new() };
    full.extend(parts.drain(ups.max(1)..));
    let length = (1..=full.len()).rev().find(|n| all.contains_key(&full[..*n]))?;
    let (module, item) = (full[..length].to_vec(), full.get(length)?);
    for line in all[&module].split(';') {
        let Some((_, passed_on)) = line.split_once(" use ") else { continue };
        let inner = passed_on.split("::").next().unwrap_or_default().trim();
        let names = passed_on.split(|c: char| !c.is_alphanumeric() && c != '_');
        let below = [&*module, &[inner.to_owned()]].concat();
        if line.contains("pub(") && all.contains_key(&below) && names.clone().any(|n| n == item) {
            return Some(below);
        }
    }
    Some(module)
}

fn visit<'a>(
    edges: &'a BTreeMap<Module, BTreeSet<Module>>,
    at: &'a Module,
    way: &mut Vec<&'a Module>,
    done: &mut BTreeSet<&'a Module>,
) {
    if let Some(start) = way.iter().position(|m| *m == at) {
        let names: Vec<String> = way[start..].iter().map(|m| m.join("/")).collect();
        panic!("these files import each other: {}", names.join(" -> "));
    }
    if done.insert(at) {
        way.push(at);
        for next in &edges[at] {
            visit(edges, next, way, done);
        }
        way.pop();
    }
}

#[test]
fn no_files_import_each_other() {
    let all = modules();
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, text) in &all {
        let to = paths(text).into_iter().filter_map(|path| target(&all, from, &path));
        // The files above hold this one.
        edges.insert(from.clone(), to.filter(|to| !from.starts_with(to)).collect());
    }
    let count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(all.len() > 100 && count > 300, "{} files, {count} imports", all.len());
    let mut done = BTreeSet::new();
    for from in edges.keys() {
        visit(&edges, from, &mut Vec::new(), &mut done);
    }
}
