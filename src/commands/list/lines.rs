//! Which names LIST sends, and what each of them is (RFC 5258 3.3 to 3.5).

use super::options::{Asked, Criteria};
use crate::commands::capability;
use crate::maildir::list::{Listed, above};
use crate::maildir::pattern::Patterns;
use crate::maildir::special_use::Uses;
use crate::session::refusal::SUBSCRIPTIONS;
use crate::session::{Result, Session};
use crate::sys::breath::{self, Interrupted};
use crate::types::SpecialUses;
use std::collections::{HashMap, HashSet};

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) listed: Listed,
    pub(super) is_subscribed: bool,
    pub(super) uses: SpecialUses,
    /// Whether it meets the criteria. If not, something below it does.
    pub(super) is_selected: bool,
    /// Whether something below it meets the criteria; not found out without RECURSIVEMATCH.
    pub(super) has_selected_below: bool,
}

/// A name that is listed whatever the criteria are.
impl From<Listed> for Line {
    fn from(listed: Listed) -> Line {
        Line {
            listed,
            is_subscribed: false,
            uses: SpecialUses::empty(),
            is_selected: true,
            has_selected_below: false,
        }
    }
}

/// The lines: what matches and meets the criteria, then what is above that.
pub(super) fn find(s: &Session, patterns: &Patterns, asked: &Asked) -> Result<Vec<Line>> {
    let criteria = asked.criteria;
    let rules = capability::is_offered(&s.options, "SPECIAL-USE").then(|| s.special_use_rules());
    let (listed, uses) = s.namespace.list_with_uses(patterns, rules)?;
    let subscribed =
        if asked.returns.subscribed { subscribed(s, patterns, criteria)? } else { Vec::new() };
    let subscriptions: HashSet<&[u8]> = subscribed.iter().map(|name| &**name).collect();
    let line = |listed: Listed| Line {
        is_subscribed: subscriptions.contains(&*listed.name),
        uses: uses.get(&listed.name).copied().unwrap_or_default(),
        ..Line::from(listed)
    };
    if criteria.words().is_empty() {
        return Ok(listed.into_iter().map(line).collect());
    }
    let selected = selected(&subscribed, &uses, criteria);
    let levels =
        if criteria.recursive { Levels::above(&selected, patterns)? } else { Levels::default() };
    let mut found: HashMap<Vec<u8>, Listed> =
        listed.into_iter().map(|listed| (listed.name.clone(), listed)).collect();
    let mut line_of = |name: &[u8]| {
        let missing =
            || Listed { name: name.to_vec(), is_folder: false, has_children: false, rights: None };
        line(found.remove(name).unwrap_or_else(missing))
    };
    let mut lines = Vec::new();
    for name in selected.iter().filter(|name| patterns.matches(name)) {
        breath::breathe()?;
        let has_selected_below = levels.known.get(*name).is_some_and(Option::is_some);
        lines.push(Line { has_selected_below, ..line_of(name) });
    }
    let names: HashSet<&[u8]> = selected.into_iter().collect();
    for name in &levels.order {
        // RFC 5258 3.5: if all that is below it is listed, too, it need not be.
        if levels.known.get(name) == Some(&Some(true)) && !names.contains(&**name) {
            lines.push(Line { is_selected: false, has_selected_below: true, ..line_of(name) });
        }
    }
    Ok(lines)
}

/// The names that meet the criteria, whether they match a pattern or not.
fn selected<'a>(subscribed: &'a [Vec<u8>], uses: &'a Uses, criteria: Criteria) -> Vec<&'a [u8]> {
    if criteria.subscribed {
        let is_such = |name: &&&[u8]| !criteria.special_use || uses.contains_key(**name);
        return subscribed.iter().map(|name| &**name).filter(|name| is_such(&name)).collect();
    }
    let mut names: Vec<&[u8]> = uses.keys().map(|name| &**name).collect();
    names.sort_unstable();
    names
}

/// The names of subscriptions that may have to do with the patterns. Where they are the criterion,
/// they need not exist, and those that the user may not see are left out, as LSUB does.
fn subscribed(s: &Session, patterns: &Patterns, criteria: Criteria) -> Result<Vec<Vec<u8>>> {
    let is_wanted = |name: &[u8]| {
        patterns.matches(name)
            || criteria.recursive && above(name).any(|level| patterns.matches(level))
    };
    let names = s.namespace.subscribed(&is_wanted);
    let names = names.map_err(|e| s.io_refusal(SUBSCRIPTIONS, &e, "LIST failed"))?;
    let _gathering = s.namespace.gather_inherited();
    let mut seen = Vec::new();
    for name in names {
        breath::breathe()?;
        if !criteria.subscribed || s.namespace.may_see_subscribed(&name) {
            seen.push(name.as_bytes().to_vec());
        }
    }
    Ok(seen)
}

/// The levels above names.
#[derive(Default)]
struct Levels {
    /// Those that match a pattern, in the order in which they were found.
    order: Vec<Vec<u8>>,
    /// Of each that matches, whether a name below it matches none.
    known: HashMap<Vec<u8>, Option<bool>>,
}

impl Levels {
    fn above(names: &[&[u8]], patterns: &Patterns) -> std::result::Result<Levels, Interrupted> {
        let mut levels = Levels::default();
        for name in names {
            breath::breathe()?;
            let is_unlisted = !patterns.matches(name);
            for level in above(name) {
                if let Some(known) = levels.known.get_mut(level) {
                    *known = known.map(|has_unlisted| has_unlisted || is_unlisted);
                    continue;
                }
                let matches = patterns.matches(level);
                levels.known.insert(level.to_vec(), matches.then_some(is_unlisted));
                if matches {
                    levels.order.push(level.to_vec());
                }
            }
        }
        Ok(levels)
    }
}
