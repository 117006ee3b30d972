//! Those beside the sessions: a delivery agent, a program behind our back, and who kills.

use super::World;
use super::ledger::{FOLDERS, Ledger, content, folder_path, id_of};
use std::collections::BTreeSet;
use std::time::Duration;
use support::Random;

/// Delivers into `new`, as agents do: written in `tmp`, moved.
pub fn deliver(world: &World) {
    let mut r = Random(world.plan.seed ^ 0xdead_beef);
    let mut n = 0u64;
    while !world.gate.over() {
        if world.gate.pausing() {
            world.gate.sit_out();
            continue;
        }
        let folder = r.below(FOLDERS.len());
        let path = folder_path(&world.root, folder);
        let crowded = std::fs::read_dir(path.join("cur")).map_or(0, Iterator::count) > 250;
        if !crowded || r.percent(10) {
            let id = world.ledger.lock().unwrap().new_id(&mut r);
            n += 1;
            let name = format!(
                "{}.M{}P{}Q{n}.agent",
                support::now(),
                r.below(1_000_000),
                std::process::id()
            );
            let name = if r.percent(50) { format!("{name},S={}", content(id).len()) } else { name };
            std::fs::write(path.join("tmp").join(&name), content(id)).unwrap();
            world.ledger.lock().unwrap().arrived(folder, id);
            std::fs::rename(path.join("tmp").join(&name), path.join("new").join(&name)).unwrap();
            world.count(|f| f.deliveries += 1);
        }
        std::thread::sleep(Duration::from_millis(5 + r.below(90) as u64));
    }
}

/// Renames and removes files behind our back.
pub fn meddle(world: &World) {
    let mut r = Random(world.plan.seed ^ 0xfeed);
    while !world.gate.over() {
        if world.gate.pausing() {
            world.gate.sit_out();
            continue;
        }
        let pause = if world.plan.copies { 100 + r.below(500) } else { 5_000 + r.below(60_000) };
        std::thread::sleep(Duration::from_micros(pause as u64));
        if !world.plan.hands {
            continue;
        }
        let folder = r.below(FOLDERS.len());
        let cur = folder_path(&world.root, folder).join("cur");
        let mut names: Vec<String> = std::fs::read_dir(&cur)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let Some(name) = names.get(r.below(names.len())) else { continue };
        let path = cur.join(name);
        let Some((base, letters)) = name.split_once(":2,") else { continue };
        let dice = if world.plan.copies { 2 + r.below(800) } else { r.below(10) };
        if dice < 2 {
            let Some(id) = std::fs::read(&path).ok().and_then(|m| id_of(&m)) else { continue };
            if Ledger::is_keeper(id) {
                continue;
            }
            world.ledger.lock().unwrap().doom_by_hand(folder, id);
            if dice == 0 {
                let _ = std::fs::remove_file(&path);
            } else {
                let _ = std::fs::rename(
                    &path,
                    cur.join(format!(
                        "{base}:2,{letters}{}",
                        if letters.contains('T') { "" } else { "T" }
                    )),
                );
            }
        } else {
            let letter = ['D', 'F', 'R', 'S'][r.below(4)];
            let mut set: BTreeSet<char> = letters.chars().collect();
            if !set.remove(&letter) {
                set.insert(letter);
            }
            let _ = std::fs::rename(
                &path,
                cur.join(format!("{base}:2,{}", set.iter().collect::<String>())),
            );
        }
        world.count(|f| f.hands += 1);
    }
}

/// Kills a session now and then.
pub fn slay(world: &World) {
    let mut r = Random(world.plan.seed ^ 0xabad_1dea);
    while !world.gate.over() {
        if world.gate.pausing() {
            world.gate.sit_out();
            continue;
        }
        std::thread::sleep(Duration::from_micros(r.below(600_000) as u64));
        if world.plan.kills && world.slots[r.below(world.slots.len())].kill() {
            world.count(|f| f.kills += 1);
        }
    }
}
