//! What a search is to return: `RETURN (...)` (RFC 4466 2.6.1, RFC 4731, RFC 5182, RFC
//! 9394).

use super::{Ends, highest};
use crate::commands::{Call, args, capability};
use crate::response::search::{Data, Extended};
use crate::session::{Error, Result, Selected, Session};
use crate::types::{ModSeq, Page, Ranges, Uid, folder};
use crate::wire::Token;

bitflags::bitflags! {
    /// `search-return-opt`s without an argument.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Options: u8 {
        /// `MIN`: the first message.
        const MIN = 1;
        /// `MAX`: the last message.
        const MAX = 2;
        /// `ALL`: every message.
        const ALL = 4;
        /// `COUNT`: how many.
        const COUNT = 8;
        /// `SAVE`: they become `$`.
        const SAVE = 16;
    }
}

/// The options by their names, each with the capability that announces it.
const OPTIONS: [(&str, Options, &str); 5] = [
    ("MIN", Options::MIN, "ESEARCH"),
    ("MAX", Options::MAX, "ESEARCH"),
    ("ALL", Options::ALL, "ESEARCH"),
    ("COUNT", Options::COUNT, "ESEARCH"),
    ("SAVE", Options::SAVE, "SEARCHRES"),
];

/// What a search is to return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Returns {
    options: Options,
    /// `PARTIAL`: a part of it.
    page: Option<Page>,
}

impl Returns {
    /// `RETURN (ALL)`
    pub(crate) const ALL: Returns = Returns { options: Options::ALL, page: None };

    /// Whether the result becomes `$`.
    pub(crate) fn saves(self) -> bool {
        self.has(Options::SAVE)
    }

    /// `"(" [search-return-opt *(SP search-return-opt)] ")"`. What no capability announces is a
    /// protocol error (RFC 4466 2.6.1).
    pub(crate) fn parse(s: &mut Session) -> Result<Returns> {
        if s.io.token()? != Token::Open {
            return Err(Error::Syntax);
        }
        let (mut options, mut page) = (Options::empty(), None);
        loop {
            let token = s.io.token()?;
            if token == Token::Close {
                break;
            }
            if token.is("PARTIAL") {
                page = Some(args::page(s, page)?);
                continue;
            }
            let known = OPTIONS.iter().find(|(name, _, _)| token.is(name));
            let offered = known.filter(|(_, _, word)| capability::is_offered(&s.options, word));
            let (_, option, _) = offered.ok_or(Error::Syntax)?;
            options |= *option;
        }
        // RFC 9394 3.1: "either one PARTIAL, one ALL, or neither".
        if page.is_some() && options.contains(Options::ALL) {
            return Err(Error::Syntax);
        }
        if options.is_empty() && page.is_none() {
            // RFC 4731 3.1: `RETURN ()` is `RETURN (ALL)`.
            options = Options::ALL;
        }
        Ok(Returns { options, page })
    }

    fn has(self, option: Options) -> bool {
        self.options.contains(option)
    }

    /// How much of the result has to be found.
    pub(crate) fn ends(self) -> Ends {
        if self.wants_all() {
            return Ends::ALL;
        }
        let mut ends =
            Ends { first: self.has(Options::MIN).into(), last: self.has(Options::MAX).into() };
        if let Some(page) = self.page {
            let end = if page.from_last { &mut ends.last } else { &mut ends.first };
            *end = page.depth().max(*end);
        }
        ends
    }

    /// Whether every message counts, be it for `$` (RFC 5182 2.4, RFC 9394 3.2).
    fn wants_all(self) -> bool {
        let some = self.page.is_some() || self.options.intersects(Options::MIN | Options::MAX);
        !some || self.options.intersects(Options::ALL | Options::COUNT)
    }

    /// Hands through what came of reading or running a search. RFC 5182 2.1: if it is NO to one
    /// with SAVE, `$` becomes empty.
    pub(crate) fn or_forget<T>(
        self,
        done: Result<T>,
        selected: Option<&mut Selected>,
    ) -> Result<T> {
        if self.has(Options::SAVE)
            && matches!(&done, Err(Error::Refused(outcome)) if outcome.is_no())
            && let Some(selected) = selected
        {
            selected.found = Ranges::default();
        }
        done
    }

    /// Saves and sends what was found, in its order.
    pub(crate) fn deliver(
        self,
        s: &mut Session,
        selected: &mut Selected,
        call: &Call<'_>,
        (found, by_sequence): (&[u32], bool),
    ) {
        self.save(selected, call.uid, found);
        if !self.is_silent() {
            let sequence =
                if by_sequence { self.sequence(selected, call.uid, found) } else { None };
            let data = self.data(found, sequence);
            s.send(&Extended { tag: call.tag, folder: None, uid: call.uid, data: &data });
        }
    }

    /// Sends what was found in one of many folders, by UIDs: RFC 7377 2.1. Of a folder in which
    /// nothing was found, nothing is sent.
    pub(crate) fn send_of_folder(
        self,
        s: &mut Session,
        call: &Call<'_>,
        folder: &Selected,
        (found, by_sequence): (&[u32], bool),
    ) {
        if found.is_empty() || self.is_silent() {
            return;
        }
        let Some(name) = folder::to_wire(folder.folder.name.as_bytes(), s.utf8()) else { return };
        let sequence = if by_sequence { self.sequence(folder, true, found) } else { None };
        let data = self.data(found, sequence);
        let folder = Some((&*name, folder.snapshot.uid_validity));
        s.send(&Extended { tag: call.tag, folder, uid: true, data: &data });
    }

    /// RFC 5182 2.2: with SAVE alone there is nothing to say.
    fn is_silent(self) -> bool {
        self.options == Options::SAVE && self.page.is_none()
    }

    /// Makes `$` of what was found, where that is asked for.
    pub(crate) fn save(self, selected: &mut Selected, uid: bool, found: &[u32]) {
        if self.saves() {
            selected.found = self.saved(selected, uid, found);
        }
    }

    /// RFC 5182 2.4, RFC 9394 3.2: `$` is what MIN, MAX and PARTIAL return, where these are all
    /// that was asked for, otherwise all that was found.
    fn saved(self, selected: &Selected, uid: bool, found: &[u32]) -> Ranges {
        let messages = &selected.snapshot.messages;
        let uid_of = |number: u32| match uid {
            true => Some(number),
            false => messages.uid(number.checked_sub(1)? as usize).map(Uid::get),
        };
        Ranges::of_numbers(self.returned(found).filter_map(uid_of))
    }

    /// What MIN, MAX and PARTIAL return, where these are all that was asked for, otherwise all that
    /// was found.
    fn returned(self, found: &[u32]) -> impl Iterator<Item = u32> {
        let (mut ends, mut page) = ([None, None], found);
        if !self.wants_all() {
            ends = [self.first(found), self.last(found)];
            page = self.page.map_or(&[], |page| page.of(found));
        }
        ends.into_iter().flatten().chain(page.iter().copied())
    }

    /// The greatest modification sequence of what is returned (RFC 4731 3.2).
    fn sequence(self, folder: &Selected, by_uid: bool, found: &[u32]) -> Option<ModSeq> {
        highest(folder, by_uid, self.returned(found))
    }

    fn first(self, found: &[u32]) -> Option<u32> {
        found.first().copied().filter(|_| self.has(Options::MIN))
    }

    fn last(self, found: &[u32]) -> Option<u32> {
        found.last().copied().filter(|_| self.has(Options::MAX))
    }

    /// The `search-return-data`. RFC 4731 3.1: where nothing was found, there is none but COUNT.
    fn data(self, found: &[u32], sequence: Option<ModSeq>) -> Vec<Data<'_>> {
        let all = (self.has(Options::ALL) && !found.is_empty()).then_some(found);
        let count = self.has(Options::COUNT).then_some(found.len());
        let data = [
            self.first(found).map(Data::Min),
            self.last(found).map(Data::Max),
            count.map(Data::Count),
            all.map(Data::All),
            self.page.map(|page| Data::Page(page, page.of(found))),
            sequence.map(Data::ModSeq),
        ];
        data.into_iter().flatten().collect()
    }
}

/// `["RETURN" ...]`, where `first` is the first token of a searching command and RETURN is known by
/// `word`; and the token that comes after it.
pub(crate) fn leading(
    s: &mut Session,
    first: Token,
    word: &str,
) -> Result<(Option<Returns>, Option<Token>)> {
    if first.is("RETURN") && capability::is_offered(&s.options, word) {
        return Ok((Some(Returns::parse(s)?), None));
    }
    Ok((None, Some(first)))
}
