//! SORT (RFC 5256 3, RFC 5267 3, RFC 5957, PROTOCOL 6.8).

mod column;
mod values;

use super::mail::{Folder as _, Mail};
use super::returns::{self, Returns};
use super::{
    Criteria, Ends, Live, check_charset, criteria, find, highest, option_word, send_renamed,
};
use crate::commands::{Call, capability};
use crate::mime::casemap::Comparator;
use crate::mime::facts::Names;
use crate::response::search::Numbers;
use crate::session::message::Wants;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::types::limits::{MAX_COMPARED_FIELD, MAX_SORT_BYTES, MAX_SORT_KEYS};
use crate::wire::Token;
use column::{Column, order};
use values::Values;

/// `sort-key`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    Arrival,
    Cc,
    Date,
    DisplayFrom,
    DisplayTo,
    From,
    Size,
    Subject,
    To,
}

/// `sort-criterion`: the key, and whether it is reversed.
type Criterion = (Key, bool);

/// The arguments of SORT.
pub(crate) struct Sort {
    returns: Option<Returns>,
    program: Program,
    criteria: Criteria,
}

/// `[search-return-opts SP] sort-criteria SP search-criteria` (RFC 5267 5)
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Sort> {
    let first = s.io.token()?;
    let (returns, first) = returns::leading(s, first, "ESORT")?;
    let first = match first {
        Some(first) => first,
        None => s.io.token()?,
    };
    let arguments = program(s, first).and_then(|program| Ok((program, criteria(s)?)));
    let (program, criteria) = match returns {
        Some(returns) => returns.or_forget(arguments, s.selected.as_mut())?,
        None => arguments?,
    };
    Ok(Sort { returns, program, criteria })
}

/// `sort-criteria`; `first` is its first token.
fn program(s: &mut Session, first: Token) -> Result<Program> {
    if first != Token::Open {
        return Err(Error::Syntax);
    }
    let has_display = capability::is_offered(&s.options, "SORT=DISPLAY");
    let mut program: Vec<Criterion> = Vec::new();
    let mut count = 0usize;
    loop {
        let mut reverse = None;
        let key = loop {
            let token = s.io.token()?;
            if token == Token::Close {
                // An empty list, or one that ends in REVERSE.
                if count == 0 || reverse.is_some() {
                    return Err(Error::Syntax);
                }
                return Ok(Program(program));
            }
            count = count.saturating_add(1);
            if count > MAX_SORT_KEYS {
                return Outcome::too_many("Too many sort keys in one command.").refuse();
            }
            match option_word(token).as_deref() {
                // RFC 5256 5 has one REVERSE at most; Courier takes more, each turning the order
                // round.
                Some(b"REVERSE") => reverse = Some(reverse != Some(true)),
                Some(b"ARRIVAL") => break Key::Arrival,
                Some(b"CC") => break Key::Cc,
                Some(b"DATE") => break Key::Date,
                Some(b"DISPLAYFROM") if has_display => break Key::DisplayFrom,
                Some(b"DISPLAYTO") if has_display => break Key::DisplayTo,
                Some(b"FROM") => break Key::From,
                Some(b"SIZE") => break Key::Size,
                Some(b"SUBJECT") => break Key::Subject,
                Some(b"TO") => break Key::To,
                _ => return Err(Error::Syntax),
            }
        };
        // Where a key is equal it is equal the second time too.
        if !program.iter().any(|(known, _)| *known == key) {
            program.push((key, reverse == Some(true)));
        }
    }
}

/// `sort-criteria`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Program(Vec<Criterion>);

/// Sends the messages that match, in order.
pub(crate) fn run(
    s: &mut Session,
    selected: &mut Selected,
    call: &Call<'_>,
    Sort { returns, program, criteria }: Sort,
) -> Result<Outcome> {
    let charset = check_charset(s, &criteria);
    match returns {
        Some(returns) => returns.or_forget(charset, Some(&mut *selected))?,
        None => charset?,
    }
    let mut table = Table::new(program, criteria.comparator);
    let by_sequence = criteria.by_sequence;
    let renamed =
        find((&*s, &mut *selected), call.uid, criteria, Ends::ALL, |number, folder, mail| {
            table.take(number, folder, mail);
        })?;
    let found: Vec<u32> = table.sorted().collect();
    match returns {
        Some(returns) => returns.deliver(s, selected, call, (&found, by_sequence)),
        None => {
            let all = found.iter().copied();
            let sequence = if by_sequence { highest(selected, call.uid, all) } else { None };
            s.send(&Numbers { word: "SORT", found: &found, sequence });
        }
    }
    send_renamed(s, selected, &renamed);
    Ok(Outcome::ok("SORT done."))
}

/// The messages that match, and what they are compared by.
struct Table {
    numbers: Vec<u32>,
    columns: Vec<(Criterion, Column)>,
    wants: Wants,
    comparator: Comparator,
    /// How many bytes of each text are kept.
    most: usize,
}

impl Table {
    fn new(Program(program): Program, comparator: Comparator) -> Table {
        Table {
            comparator,
            numbers: Vec::new(),
            most: MAX_COMPARED_FIELD,
            wants: Wants {
                size: program.iter().any(|(key, _)| *key == Key::Size),
                fields: Some(Names::of(program.iter().filter_map(|(key, _)| values::field(*key))))
                    .filter(|names| *names != Names::default()),
                ..Wants::default()
            },
            columns: program
                .into_iter()
                .map(|criterion| match criterion.0 {
                    Key::Arrival | Key::Date | Key::Size => {
                        (criterion, Column::Numbers(Vec::new()))
                    }
                    _ => (criterion, Column::Texts { ends: Vec::new(), bytes: Vec::new() }),
                })
                .collect(),
        }
    }

    /// Takes the values of a message. Courier: one that is gone is left out.
    fn take(&mut self, number: u32, folder: &mut Live<'_>, mail: &mut Mail) {
        let mut values = Values::default();
        if self.wants.size || self.wants.fields.is_some() {
            let Some(message) = mail.with(folder, &self.wants) else { return };
            values.arrival = message.date();
            values.sent = values.arrival;
            if self.wants.size {
                // As RFC822.SIZE (Courier: the size of the file).
                values.size = message.size().unwrap_or(0);
            }
            if let Some(names) = &self.wants.fields {
                match message.fields(names) {
                    Ok(fields) => {
                        let wanted = |key| self.columns.iter().any(|((of, _), _)| *of == key);
                        values.read(fields, wanted, self.comparator);
                    }
                    Err(e) => folder.unreadable(mail.index, e),
                }
            }
        } else {
            let Some(arrival) = mail.internal_date(folder) else { return };
            values.arrival = arrival;
        }
        self.add(number, &values);
    }

    fn add(&mut self, number: u32, values: &Values) {
        self.numbers.push(number);
        let most = self.most;
        for ((key, _), column) in &mut self.columns {
            match key {
                Key::Arrival => column.push_number(values.arrival),
                Key::Date => column.push_number(values.sent),
                Key::Size => column.push_number(i64::try_from(values.size).unwrap_or(i64::MAX)),
                key => column.push_text(values.text(*key), most),
            }
        }
        // What mails with long fields would take of the memory is taken from the longest texts.
        while self.size() > MAX_SORT_BYTES && self.most > 0 {
            self.most /= 2;
            self.columns.iter_mut().for_each(|(_, column)| column.cut(self.most));
        }
    }

    /// Bytes of all texts.
    fn size(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.size()).sum()
    }

    /// The numbers in order.
    fn sorted(&self) -> impl Iterator<Item = u32> + '_ {
        let order = order(&self.columns, self.numbers.len());
        order.into_iter().filter_map(|at| self.numbers.get(at as usize).copied())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stable_permutation(
            rows in proptest::collection::vec((0i64..4, 0u64..3, "[a-c]{0,2}"), 0..30),
            program in proptest::collection::vec((proptest::sample::select(vec![Key::Arrival, Key::Size, Key::Subject]), any::<bool>()), 1..4),
        ) {
            let mut table = Table::new(Program(program.clone()), Comparator::UnicodeCasemap);
            for (number, (arrival, size, subject)) in (1..).zip(&rows) {
                let subject = Some(subject.clone().into_bytes()).filter(|s| !s.is_empty());
                table.add(number, &Values { arrival: *arrival, size: *size, subject, ..Values::default() });
            }
            let sorted: Vec<u32> = table.sorted().collect();
            // The plain way: stable sorts, the least important key first.
            let mut expected: Vec<u32> = (1..=rows.len() as u32).collect();
            for (key, reverse) in program.iter().rev() {
                expected.sort_by(|a, b| {
                    let (a, b) = (&rows[*a as usize - 1], &rows[*b as usize - 1]);
                    let order = match key {
                        Key::Arrival => a.0.cmp(&b.0),
                        Key::Size => a.1.cmp(&b.1),
                        _ => a.2.cmp(&b.2),
                    };
                    if *reverse { order.reverse() } else { order }
                });
            }
            prop_assert_eq!(sorted, expected);
        }
    }
}
