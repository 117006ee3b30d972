//! Dates: what the Date field says (RFC 5322 3.3 and 4.3), the dates of IMAP commands, and the
//! calendar behind them.

use super::params::{Lexer, is_space};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A date and time as written, with its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    /// Full year.
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u8,
    /// 1 to the length of the month.
    pub(crate) day: u8,
    /// 0 to 23.
    pub(crate) hour: u8,
    /// 0 to 59.
    pub(crate) minute: u8,
    /// 0 to 60.
    pub(crate) second: u8,
    /// Minutes east of UTC.
    pub(crate) zone: i32,
}

impl Date {
    /// The calendar date as written, in days since 1970-01-01.
    pub(crate) fn days(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
    }

    /// The instant in seconds since 1970-01-01 00:00 UTC.
    pub(crate) fn unix(&self) -> i64 {
        let clock =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        self.days() * 86_400 + clock - i64::from(self.zone) * 60
    }

    /// That instant as another zone writes it.
    pub(crate) fn from_unix(unix: i64, zone: i32) -> Date {
        let local = unix.saturating_add(i64::from(zone) * 60);
        let (year, month, day) = civil_from_days(local.div_euclid(86_400));
        let clock = local.rem_euclid(86_400);
        Date {
            year,
            month,
            day,
            hour: (clock / 3600) as u8,
            minute: (clock / 60 % 60) as u8,
            second: (clock % 60) as u8,
            zone,
        }
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, which is taken to hold for all years.
pub(crate) fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    // Years begin in March here, so that the leap day is the last; 400 years are one era of 146,097
    // days.
    let month = i64::from(month.clamp(1, 12));
    let year = year.clamp(-1_000_000_000, 1_000_000_000) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date (year, month, day) of a number of days since 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days.clamp(-300_000_000_000, 300_000_000_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month as u8, day as u8)
}

/// The length of a month.
pub(crate) fn month_length(year: i64, month: u8) -> u8 {
    match month {
        2 if year.rem_euclid(4) == 0
            && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) =>
        {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The range of years with four digits, in seconds since 1970: 01-Jan-0000 00:00:00 to 31-Dec-9999
/// 23:59:59.
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

/// IMAP's date-time: `05-Mar-2024 01:02:03 +0000` (RFC 3501 9), two-digit day as Courier writes it,
/// without the quotes. A file may have any time. `date-year` has four digits, so a time outside of
/// the years 0 to 9999 becomes the nearest one inside.
pub(crate) fn imap_date_time(unix: i64, zone: i32) -> String {
    let east = i64::from(zone) * 60;
    let d =
        Date::from_unix(unix.saturating_add(east).clamp(FIRST, LAST).saturating_sub(east), zone);
    debug_assert!((1..=12).contains(&d.month), "a Date has a valid month");
    let month =
        d.month.checked_sub(1).and_then(|m| MONTHS.get(usize::from(m))).copied().unwrap_or(b"Jan");
    let mut out = String::with_capacity(26);
    two_digits(&mut out, i64::from(d.day));
    out.push('-');
    out.extend(month.map(char::from));
    out.push('-');
    two_digits(&mut out, d.year / 100);
    two_digits(&mut out, d.year);
    for (mark, n) in [(' ', d.hour), (':', d.minute), (':', d.second)] {
        out.push(mark);
        two_digits(&mut out, i64::from(n));
    }
    out.push_str(if zone < 0 { " -" } else { " +" });
    let away = i64::from(zone.unsigned_abs());
    two_digits(&mut out, away / 60);
    two_digits(&mut out, away % 60);
    out
}

/// Appends the last two digits of a number.
fn two_digits(out: &mut String, n: i64) {
    for digit in [n / 10 % 10, n % 10] {
        out.push(char::from(b'0' + digit.unsigned_abs() as u8));
    }
}

fn number(word: &[u8]) -> Option<i64> {
    if word.is_empty() || word.len() > 9 {
        return None;
    }
    word.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// A month by its first three letters.
fn month(word: &[u8]) -> Option<u8> {
    let start = word.get(..3)?;
    if !word.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    // Written so, it is one number that is compared.
    Some(match &start.first_chunk()?.map(|b: u8| b.to_ascii_lowercase()) {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// RFC 5322 4.3: two digits below 50 are 20xx, other two digits and three digits count from 1900.
fn year(word: &[u8]) -> Option<i64> {
    let n = number(word)?;
    match word.len() {
        1 => None,
        2 if n < 50 => Some(n + 2000),
        2 | 3 => Some(n + 1900),
        _ => Some(n),
    }
}

fn clock(word: &[u8]) -> Option<(u8, u8, u8)> {
    let mut fields = word.split(|b| *b == b':');
    let mut next = |most: i64| -> Option<Option<u8>> {
        let Some(field) = fields.next() else {
            return Some(None);
        };
        // Fractions of a second are passed over.
        let field = field.split(|b| *b == b'.').next().unwrap_or(field);
        let n = number(field).filter(|n| field.len() <= 2 && *n <= most)?;
        Some(u8::try_from(n).ok())
    };
    let (hour, minute) = (next(23)??, next(59)??);
    let second = next(60)?.unwrap_or(0);
    Some((hour, minute, second))
}

/// Minutes east of UTC. Unknown names are -0000 (RFC 5322 4.3), and so are the military letters,
/// for the same reason. None for a number that is no zone.
fn zone(word: &[u8]) -> Option<i32> {
    let digits = |sign: i32, text: &[u8]| -> Option<i32> {
        let text: Vec<u8> = text.iter().copied().filter(|b| *b != b':').collect();
        let n = i32::try_from(number(&text)?).ok()?;
        let (hours, minutes) = match text.len() {
            1 | 2 => (n, 0),
            3 | 4 => (n / 100, n % 100),
            _ => return None,
        };
        (hours <= 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    };
    // `GMT+0200` and `UTC+2` are seen in the wild.
    let offset = match word.get(..3) {
        Some(w)
            if word.len() > 3
                && (w.eq_ignore_ascii_case(b"GMT") || w.eq_ignore_ascii_case(b"UTC")) =>
        {
            word.get(3..).unwrap_or_default()
        }
        _ => word,
    };
    match offset.split_first() {
        Some((b'+', rest)) => return digits(1, rest),
        Some((b'-', rest)) => return digits(-1, rest),
        _ => {}
    }
    let hours = match word.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => 0,
    };
    Some(hours * 60)
}

/// At most so many words: more than a date has.
const MAX_WORDS: usize = 12;

/// Words between blanks, commas and `others`, without comments; at most [`MAX_WORDS`].
fn words(value: &[u8], others: &[u8]) -> Vec<Vec<u8>> {
    let mut lex = Lexer::new(value);
    let mut list: Vec<Vec<u8>> = Vec::new();
    loop {
        lex.skip_cfws();
        let mut word = Vec::new();
        while let Some(b) = lex.peek() {
            if is_space(b) || b == b',' || others.contains(&b) || (b == b'(' && !word.is_empty()) {
                break;
            }
            lex.bump();
            if word.len() < 64 {
                word.push(b);
            }
        }
        if !word.is_empty() {
            // RFC 5322 4.3 allows white space around the colons of a time.
            match list.last_mut() {
                Some(last)
                    if last.ends_with(b":")
                        || (word.starts_with(b":")
                            && last.iter().all(|b| b.is_ascii_digit() || *b == b':')) =>
                {
                    last.extend(word);
                }
                _ => list.push(word),
            }
        } else if lex.bump().is_none() {
            return list;
        }
        if list.len() >= MAX_WORDS {
            return list;
        }
    }
}

/// Takes apart and straightens words as mail has them that was not written by the RFC: `5Mar`,
/// `5.`, `5th`, `5.Mar.2024`, `5/Mar/2024`, `2024-03-05T01:02:03Z`, `01.02.03`, `1:02 PM`.
fn straighten(list: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut after_noon = None;
    for word in list {
        if let Some(words) = iso_date(word) {
            out.extend(words);
        } else if word.eq_ignore_ascii_case(b"AM") || word.eq_ignore_ascii_case(b"PM") {
            after_noon = Some(!word.eq_ignore_ascii_case(b"AM"));
        } else if word.contains(&b':') {
            out.extend(split_time(word));
        } else if out.len() >= 3 && is_dotted_time(word) {
            out.push(word.iter().map(|b| if *b == b'.' { b':' } else { *b }).collect());
        } else if word.first().is_some_and(|b| matches!(b, b'+' | b'-')) {
            out.push(word.clone());
        } else {
            split_date(word, &mut out);
        }
    }
    if let (Some(noon), Some(time)) = (after_noon, out.iter_mut().find(|w| w.contains(&b':'))) {
        on_24_hours(time, noon);
    }
    out
}

/// ISO 8601's `2024-03-05T01:02:03Z`, or the date alone, as day, month, year, time and zone.
fn iso_date(word: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (date, rest) = word.split_at_checked(10)?;
    let (year, month, day) = match date {
        [y @ .., b'-', m1, m2, b'-', d1, d2] => (y, [*m1, *m2], [*d1, *d2]),
        _ => return None,
    };
    number(year)?;
    let month = MONTHS.get(usize::try_from(number(&month)?.checked_sub(1)?).ok()?)?;
    let mut words = vec![day.to_vec(), month.to_vec(), year.to_vec()];
    match rest.split_first() {
        None => {}
        Some((b'T' | b't', time)) => words.extend(split_time(time)),
        _ => return None,
    }
    Some(words)
}

/// `01:02:03Z` or `01:02:03+0200` as time and zone.
fn split_time(word: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let end = word.iter().position(|b| !matches!(b, b'0'..=b'9' | b':' | b'.'));
    let (time, zone) = word.split_at(end.unwrap_or(word.len()));
    [time, zone].into_iter().filter(|w| !w.is_empty()).map(<[u8]>::to_vec)
}

/// `01.02` or `01.02.03`
fn is_dotted_time(word: &[u8]) -> bool {
    let fields: Vec<&[u8]> = word.split(|b| *b == b'.').collect();
    (2..=3).contains(&fields.len())
        && fields.iter().all(|f| matches!(f.len(), 1 | 2) && f.iter().all(u8::is_ascii_digit))
}

/// A word of a date in the pieces that are its day, month and year.
fn split_date(word: &[u8], out: &mut Vec<Vec<u8>>) {
    let pieces: Vec<&[u8]> =
        word.split(|b| matches!(b, b'.' | b'/')).filter(|p| !p.is_empty()).collect();
    for piece in pieces {
        let digits = piece.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = piece.split_at(digits);
        let letters = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (name, year) = rest.split_at(letters);
        let ordinal = [b"st", b"nd", b"rd", b"th"].iter().any(|o| name.eq_ignore_ascii_case(*o));
        let whole_year = year.iter().all(u8::is_ascii_digit);
        if whole_year && digits > 0 && ordinal && year.is_empty() {
            out.push(number.to_vec());
        } else if whole_year && month(name).is_some() {
            let parts = [number, name, year];
            out.extend(parts.into_iter().filter(|w| !w.is_empty()).map(<[u8]>::to_vec));
        } else {
            out.push(piece.to_vec());
        }
    }
}

/// Makes a time of the 12-hour clock one of 24 hours.
fn on_24_hours(time: &mut Vec<u8>, after_noon: bool) {
    let end = time.iter().position(|b| *b == b':').unwrap_or(time.len());
    let (hour, rest) = time.split_at(end);
    if let Some(hour @ 1..=12) = number(hour) {
        let hour = hour % 12 + if after_noon { 12 } else { 0 };
        *time = [hour.to_string().as_bytes(), rest].concat();
    }
}

struct Parsed {
    date: Date,
    /// The time was there and valid, and so was the zone if there was one.
    sound: bool,
}

fn parse_words(list: &[Vec<u8>]) -> Option<Parsed> {
    let mut rest = list.iter().map(Vec::as_slice).peekable();
    // A weekday is ignored, even a wrong one.
    while rest
        .next_if(|w| month(w).is_none() && w.first().is_some_and(u8::is_ascii_alphabetic))
        .is_some()
    {}
    let first = rest.next()?;
    let (day, month, mut the_year) = if let Some(m) = month(first) {
        // `Mar  5 01:02:03 2024`: the order of ctime(3).
        (rest.next()?, m, None)
    } else if let [d, m, y] = first.split(|b| *b == b'-').collect::<Vec<_>>().as_slice() {
        // `05-Mar-2024`, the order of RFC 850 and of IMAP.
        (*d, self::month(m)?, Some(year(y)?))
    } else {
        let month = self::month(rest.next()?)?;
        let last = rest.next()?;
        // `2024 Mar 5`
        let (day, the_year) = if first.len() == 4 { (last, first) } else { (first, last) };
        (day, month, Some(year(the_year)?))
    };
    let day = number(day).filter(|_| day.len() <= 2)?;
    let mut time = None;
    let mut the_zone = None;
    for word in rest {
        if time.is_none() && word.contains(&b':') {
            time = Some(clock(word));
        } else if the_year.is_none() && year(word).is_some() {
            the_year = year(word);
        } else if time.is_some() && the_zone.is_none() {
            the_zone = Some(zone(word));
        }
    }
    let year = the_year?;
    let day = u8::try_from(day).ok().filter(|d| *d >= 1 && *d <= month_length(year, month))?;
    // RFC 5256 2.2: an invalid zone is UTC, an invalid time 00:00:00.
    let sound = time.flatten().is_some() && the_zone.is_none_or(|z| z.is_some());
    let (hour, minute, second) = time.flatten().unwrap_or((0, 0, 0));
    let zone = the_zone.flatten().unwrap_or(0);
    Some(Parsed { date: Date { year, month, day, hour, minute, second, zone }, sound })
}

/// The value of a Date field. Tolerated: a missing or wrong weekday, missing seconds, a missing or
/// invalid zone (UTC) or time (midnight), obsolete and unknown zones, two-digit years, comments,
/// quotes, ctime's order, ISO 8601, and what `straighten` takes apart. None when it is no date.
pub(crate) fn parse(value: &[u8]) -> Option<Date> {
    usual(value).or_else(|| any_form(value))
}

fn any_form(value: &[u8]) -> Option<Date> {
    parse_words(&straighten(&words(value, b"\"';"))).map(|p| p.date)
}

/// A date in the very form of RFC 5322 3.3, as most mail has it, with or without a weekday and a
/// word in parentheses: `Tue, 5 Mar 2024 01:02:03 +0100 (CET)`. None where it has another form.
fn usual(value: &[u8]) -> Option<Date> {
    let digits = |digits: &[u8]| number(digits).and_then(|n| u8::try_from(n).ok());
    let mut text = value.trim_ascii();
    if let [weekday @ .., _, _] = text.get(..5)?
        && text.get(3..5) == Some(b", ")
    {
        // A month there is another form.
        if !weekday.iter().all(u8::is_ascii_alphabetic) || month(weekday).is_some() {
            return None;
        }
        text = text.get(5..)?;
    }
    let (day, rest) = text.split_at_checked(text.iter().take(3).position(|b| *b == b' ')?)?;
    let [b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', rest @ ..] = rest else { return None };
    let [h1, h2, b':', i1, i2, b':', s1, s2, b' ', sign, zone @ ..] = rest else { return None };
    let [z1, z2, z3, z4, rest @ ..] = zone else { return None };
    let is_word = |b: &u8| b.is_ascii_alphanumeric();
    match rest {
        [] => {}
        [b' ', b'(', word @ .., b')'] if word.iter().all(is_word) => {}
        _ => return None,
    }
    let month = month(&[*m1, *m2, *m3])?;
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let day = digits(day).filter(|day| *day >= 1 && *day <= month_length(year, month))?;
    let hour = digits(&[*h1, *h2]).filter(|n| *n <= 23)?;
    let minute = digits(&[*i1, *i2]).filter(|n| *n <= 59)?;
    let second = digits(&[*s1, *s2]).filter(|n| *n <= 60)?;
    let hours = digits(&[*z1, *z2]).filter(|n| *n <= 24)?;
    let minutes = digits(&[*z3, *z4]).filter(|n| *n <= 59)?;
    let zone = i32::from(hours) * 60 + i32::from(minutes);
    let zone = match sign {
        b'+' => zone,
        b'-' => -zone,
        _ => return None,
    };
    Some(Date { year, month, day, hour, minute, second, zone })
}

/// APPEND's date-time, without its quotes: `" 1-Feb-2020 10:11:12 +0200"` and what PROTOCOL 6.4
/// accepts beside it (one-digit days, blanks for hyphens, zone names, a missing zone, two-digit
/// years).
// Courier: a string without any blank is accepted and means "now"; RFC 3501 has no such form, so
// None.
pub(crate) fn parse_append(value: &[u8]) -> Option<Date> {
    let value = value.trim_ascii_start();
    let blank = value.iter().position(|b| *b == b' ')?;
    let (date, time) = value.split_at(blank);
    let mut text: Vec<u8> = date.iter().map(|b| if *b == b'-' { b' ' } else { *b }).collect();
    text.extend_from_slice(time);
    parse_words(&words(&text, b"")).filter(|p| p.sound).map(|p| p.date)
}

/// A SEARCH date, `1-Feb-1994`, as days since 1970-01-01. The month's case does not matter, text
/// after a blank is ignored (PROTOCOL 6.6). None when it is no date.
pub(crate) fn parse_search(value: &[u8]) -> Option<i64> {
    let text = value.trim_ascii_start().split(|b| *b == b' ').next()?;
    let mut fields = text.split(|b| *b == b'-');
    let (day, name, year) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || day.len() > 2 || name.len() != 3 || year.len() != 4 {
        return None;
    }
    let (day, month, year) = (number(day)?, month(name)?, number(year)?);
    let day = u8::try_from(day).ok().filter(|d| *d >= 1 && *d <= month_length(year, month))?;
    Some(days_from_civil(year, month, day))
}

#[cfg(test)]
mod tests;
