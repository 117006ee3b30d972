//! STORE (PROTOCOL 6.2): flags and keywords of messages.

/// STORE and UID STORE (RFC 3501 6.4.6).
pub mod store {
    use crate::commands::args::{self, Piece};
    use crate::commands::flags::{self, FlagList};
    use crate::commands::Call;
    use crate::maildir::{self, change};
    use crate::session::options::Keywords;
    use crate::session::{Error, Outcome, Result, Session};
    use crate::types::Flags;
    use crate::wire::Set;

    /// What to do with the flags.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Verb {
        Replace,
        Add,
        Remove,
    }

    /// The messages, the verb, whether to answer, the flags.
    pub struct Arguments {
        set: Set,
        verb: Verb,
        silent: bool,
        list: FlagList,
    }

    /// `sequence-set SP store-att-flags`
    pub fn parse(s: &mut Session, _: &Call) -> Result<Arguments> {
        let set = args::set(s)?;
        let word = s.io.token()?.word().ok_or(Error::Syntax)?;
        let (verb, word) = match word.split_first() {
            Some((b'+', rest)) => (Verb::Add, rest),
            Some((b'-', rest)) => (Verb::Remove, rest),
            _ => (Verb::Replace, &*word),
        };
        let silent = match word {
            b"FLAGS" => false,
            b"FLAGS.SILENT" => true,
            _ => return Err(Error::Syntax),
        };
        let list = FlagList::parse_to_end(s)?;
        Ok(Arguments { set, verb, silent, list })
    }

    fn change(verb: Verb, flags: Flags) -> change::Change {
        match verb {
            Verb::Replace => change::Change::Set(flags),
            Verb::Add => change::Change::Add(flags),
            Verb::Remove => change::Change::Remove(flags),
        }
    }

    /// Changes one message; the result says whether it is still there.
    fn change_one(s: &mut Session, index: usize, a: &Arguments) -> Result<bool> {
        let Session { selected: Some(selected), store, .. } = s else { return Ok(false) };
        let allowed = flags::allowed(selected.rights);
        let was = selected.snapshot.messages.flags(index);
        let wanted = match a.verb {
            Verb::Replace => a.list.flags,
            Verb::Add => was | a.list.flags,
            Verb::Remove => was.without(a.list.flags),
        };
        let toggles_deleted = allowed.contains(Flags::DELETED) && wanted.contains(Flags::DELETED) != was.contains(Flags::DELETED);
        // Clearing \Deleted makes the message count again, and that may be too much (STORAGE 7.3).
        if toggles_deleted && was.contains(Flags::DELETED) {
            s.charge_message(index)?;
        }
        let Session { selected: Some(selected), store, .. } = s else { return Ok(false) };
        match change::store_flags(store, &selected.dir, &mut selected.snapshot.messages, index, change(a.verb, a.list.flags), allowed) {
            Ok(_) => {}
            Err(maildir::Error::Gone) => return Ok(false),
            Err(e) => return Err(s.store_error(e, "[ALERT] Unable to store flags.")),
        }
        if toggles_deleted && !was.contains(Flags::DELETED) {
            s.discharge_message(index);
        }
        let Session { selected: Some(selected), store, .. } = s else { return Ok(false) };
        let touches_keywords = a.verb == Verb::Replace || !a.list.keywords.is_empty();
        if touches_keywords && s.options.keywords != Keywords::Off && selected.rights.has(b'w') {
            let verb = match a.verb {
                Verb::Replace => change::Verb::Set,
                Verb::Add => change::Verb::Add,
                Verb::Remove => change::Verb::Remove,
            };
            match change::store_keywords(store, &selected.dir, &mut selected.snapshot, index, verb, &a.list.keywords) {
                Ok(()) => {}
                Err(maildir::Error::Gone) => return Ok(false),
                Err(e) => return Err(s.store_error(e, "An error occured while updating keywords")),
            }
        }
        Ok(true)
    }

    /// Changes the messages one by one; a STORE that fails half-way has changed those before.
    pub fn run(s: &mut Session, call: &Call, a: Arguments) -> Result<Outcome> {
        let may_add = s.options.keywords != Keywords::Off;
        let Some(selected) = &mut s.selected else { return Err(Error::Syntax) };
        let pieces = args::pieces(&a.set, call.uid, &selected.snapshot.messages);
        let new: Vec<Vec<u8>> = a.list.keywords.iter().filter(|k| !selected.knows_keyword(k)).cloned().collect();
        if !new.is_empty() && selected.rights.has(b'w') {
            selected.keywords.extend(new);
            selected.push_flag_lines(&mut s.io.out, &selected.keywords, may_add);
        }
        let mut missing = false;
        for piece in pieces {
            match piece {
                Piece::Invalid(n) => args::invalid_number(&mut s.io.out, n),
                Piece::Messages(range) => {
                    for index in range {
                        if !change_one(s, index, &a)? {
                            missing = true;
                            continue;
                        }
                        if let Some(selected) = &mut s.selected {
                            selected.snapshot.messages.take_changed(index);
                            if !a.silent {
                                selected.push_fetch_flags(&mut s.io.out, index, call.uid);
                            }
                        }
                        s.io.ease()?;
                    }
                }
            }
        }
        if let Some(selected) = &mut s.selected
            && !(a.list.keywords.is_empty() && a.verb != Verb::Replace)
        {
            selected.forget_unused_keywords(&mut s.io.out, may_add);
        }
        if missing {
            // RFC 5530 3, RFC 2180 4.2.1: the others were changed.
            return Ok(Outcome::no("Some of the requested messages no longer exist.").with_added_code("EXPUNGEISSUED"));
        }
        Ok(Outcome::ok("STORE completed."))
    }
}
