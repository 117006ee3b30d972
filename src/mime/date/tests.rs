//! Dates as mail and clients write them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;

#[test]
fn most_mail_has_the_usual_form() {
    for value in [
        "Tue, 5 Mar 2024 01:02:03 +0000",
        " Tue, 05 Mar 2024 03:02:03 +0200 (EET)\r\n",
        "5 Mar 2024 01:02:03 -0330\n",
    ] {
        assert!(usual(value.as_bytes()).is_some(), "{value}");
    }
    for value in ["Tue,  5 Mar 2024 01:02:03 +0000", "5 Mar 2024 01:02 +0000", "5", ""] {
        assert_eq!(usual(value.as_bytes()), None, "{value}");
    }
}

#[test]
fn months() {
    for (n, name) in (1..).zip(MONTHS) {
        assert_eq!(month(name), Some(n));
        assert_eq!(month(&name.to_ascii_uppercase()), Some(n));
    }
    assert_eq!((month(b"Ju"), month(b"Jux"), month(b"Jun1")), (None, None, None));
}

#[test]
fn date_fields() {
    // 2024-03-05 01:02:03 UTC
    const T: i64 = 1_709_600_523;
    for (value, want) in [
        ("Tue, 5 Mar 2024 01:02:03 +0000", Some(T)),
        ("Tue, 05 Mar 2024 03:02:03 +0200 (EET)", Some(T)),
        ("5 Mar 2024 01:02:03", Some(T)),
        ("5 Mar 24 01:02 GMT", Some(T - 3)),
        ("Mon, 4 Mar 2024 20:02:03 EST", Some(T)),
        ("4 mar 2024 17:02:03 PST", Some(T)),
        ("5 Mar 2024 01:02:03 X", Some(T)),
        ("5 Mar 2024 01:02:03 FOO", Some(T)),
        ("5 Mar 2024 03:02:03 GMT+0200", Some(T)),
        ("5 Mar 2024 03:02:03 GMT +0200", Some(T + 7200)),
        ("5 March 2024 01:02:03.5 -0000", Some(T)),
        ("(c) Tue (c) , (d) 5 (e) Mar (f) 2024 (g) 01 : 02 : 03 (h) +0000 (i)", Some(T)),
        ("Tue Mar  5 01:02:03 2024", Some(T)),
        ("Tuesday, 05-Mar-24 01:02:03 UTC", Some(T)),
        ("\n Tue,\n 5 Mar 2024\n 01:02:03 +0000\n", Some(T)),
        ("5 Mar 2024", Some(T - 3723)),
        ("5 Mar 1951 00:00 -0000", Some(-594_172_800)),
        ("1 Jan 70 00:00:00 +0000", Some(0)),
        ("1 Jan 100 00:00:00 +0000", Some(946_684_800)),
        ("", None),
        ("now", None),
        // As broken mail has it.
        ("\"Tue, 5 Mar 2024 01:02:03 +0000\"", Some(T)),
        ("'5 Mar 2024' 01:02:03", Some(T)),
        ("Tue, \"5 Mar 2024 01:02:03 +0000", Some(T)),
        ("5Mar 2024 01:02:03 +0000", Some(T)),
        ("Tue,5Mar2024 01:02:03 +0000", Some(T)),
        ("5. Mar 2024 01:02:03 +0000", Some(T)),
        ("Tue, 5.Mar.2024 01:02:03", Some(T)),
        ("5. March. 2024 01.02.03", Some(T)),
        ("5/Mar/2024 01:02:03", Some(T)),
        ("5/Mar/24:01:02:03", None),
        ("5th March 2024 01:02:03", Some(T)),
        ("March 5th, 2024 01:02:03", Some(T)),
        ("Mar 5 '24 01:02:03", Some(T)),
        ("Tue; 5 Mar 2024; 01:02:03", Some(T)),
        ("5 Mar 2024 01:02:03Z", Some(T)),
        ("5 Mar 2024 03:02:03+0200", Some(T)),
        ("5 Mar 2024 1:02:03 AM", Some(T)),
        ("5 Mar 2024 12:02:03 am +0000", Some(T - 3600)),
        ("4 Mar 2024 8:02:03 PM EST", Some(T)),
        ("2024 Mar 5 01:02:03", Some(T)),
        ("2024-03-05 01:02:03", Some(T)),
        ("2024-03-05T03:02:03+02:00", Some(T)),
        ("2024-03-05T01:02:03.250Z", Some(T)),
        ("2024-03-05", Some(T - 3723)),
        ("2024-13-05 01:02:03", None),
        ("2024-00-05 01:02:03", None),
        ("2024-02-30", None),
        // Day or month?
        ("5.3.2024 01:02:03", None),
        ("03/05/2024 01:02:03", None),
        ("30 Feb 2024 01:02:03", None),
        ("5 Mar 2024 25:02:03", Some(T - 3723)),
        ("5 Mar 2024 foo", Some(T - 3723)),
        ("5 Mar 2024 01:02:03 +99999", Some(T)),
        ("99999999999 Mar 2024 01:02:03", None),
    ] {
        assert_eq!(parse(value.as_bytes()).map(|d| d.unix()), want, "{value:?}");
    }
    let d = parse(b"Tue, 5 Mar 2024 01:02:03 +1400").unwrap();
    assert_eq!((d.day, d.days(), d.unix().div_euclid(86_400), d.zone), (5, 19_787, 19_786, 840));
}

#[test]
fn append_dates() {
    for (value, want) in [
        ("01-Jan-2020 10:11:12 +0200", Some(1_577_866_272)),
        (" 1-Jan-2020 10:11:12 +0200", Some(1_577_866_272)),
        ("1-jan-2020 10:11:12 +0200", Some(1_577_866_272)),
        ("1-Jan-2020 10:11:12", Some(1_577_873_472)),
        ("1-Jan-20 10:11:12 EST", Some(1_577_891_472)),
        ("1-Jan-2020", None),
        ("1-Jan-2020 25:11:12 +0000", None),
        ("1-Jan-2020 10:11:12 +99999", None),
        ("1-Jan-2020 ", None),
        ("2020-01-01 10:11:12 +0200", None),
        ("1Jan-2020 10:11:12 +0200", None),
        ("x-Jan-2020 10:11:12 +0000", None),
        ("", None),
    ] {
        assert_eq!(parse_append(value.as_bytes()).map(|d| d.unix()), want, "{value:?}");
    }
}

#[test]
fn search_dates() {
    for (value, want) in [
        ("1-Feb-1994", Some(8797)),
        ("01-FEB-1994", Some(8797)),
        ("1-feb-1994 12:00", Some(8797)),
        ("2024-01-01", None),
        ("1-Feb-94", None),
        ("31-Feb-1994", None),
        ("1-Febr-1994", None),
        ("x", None),
    ] {
        assert_eq!(parse_search(value.as_bytes()), want, "{value:?}");
    }
}

#[test]
fn writes() {
    assert_eq!(imap_date_time(1_709_600_523, 0), "05-Mar-2024 01:02:03 +0000");
    assert_eq!(imap_date_time(1_709_600_523, -210), "04-Mar-2024 21:32:03 -0330");
    assert_eq!(imap_date_time(-1, 0), "31-Dec-1969 23:59:59 +0000");
    assert_eq!(imap_date_time(253_402_300_799, 0), "31-Dec-9999 23:59:59 +0000");
    assert_eq!(imap_date_time(253_402_300_800, 0), "31-Dec-9999 23:59:59 +0000");
    assert_eq!(imap_date_time(i64::MAX, 60), "31-Dec-9999 23:59:59 +0100");
    assert_eq!(imap_date_time(i64::MIN, -60), "01-Jan-0000 00:00:00 -0100");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn calendar_turns_both_ways(days in -1_000_000i64..1_000_000) {
        let (y, m, d) = civil_from_days(days);
        prop_assert!(d >= 1 && d <= month_length(y, m));
        prop_assert_eq!(days_from_civil(y, m, d), days);
    }

    #[test]
    fn anything(
        v in prop::collection::vec(prop::sample::select(b"05:JanFb-+ ,()2.T/thPM'".to_vec()), 0..40),
        unix in any::<i64>(),
    ) {
        if let Some(d) = parse(&v) {
            let _ = d.unix();
        }
        let _ = (parse_append(&v), parse_search(&v), imap_date_time(unix, 60));
    }

    /// What is read at a glance is read the same when it is taken apart.
    #[test]
    fn the_usual_form(
        weekday in prop::sample::select(vec!["", "Tue, ", "Mar, ", "T1e, ", "Tue,", "tuE, "]),
        day in prop::sample::select(vec!["1", "05", "30", "31", "0", "99", " 5", "x"]),
        month in prop::sample::select(vec!["Feb", "mar", "APR", "May", "Xyz"]),
        year in prop::sample::select(vec!["2024", "1999", "0099", "24"]),
        time in prop::sample::select(vec!["01:02:03", "23:59:60", "24:00:00", "1:02:03", "01:02"]),
        zone in prop::sample::select(vec!["+0000", "-0330", "+2400", "+0060", "+9900", "GMT", "0100"]),
        end in prop::sample::select(vec!["", "\n", " (CET)", " (a (b))", " (a", "x", " x"]),
    ) {
        let value = format!(" {weekday}{day} {month} {year} {time} {zone}{end}");
        if let Some(date) = usual(value.as_bytes()) {
            prop_assert_eq!(Some(date), any_form(value.as_bytes()), "{}", value);
        }
    }

    #[test]
    fn reads_what_it_writes(unix in 0i64..4_000_000_000, zone in -720i32..840) {
        let written = imap_date_time(unix, zone);
        prop_assert_eq!(parse_append(written.as_bytes()).unwrap().unix(), unix);
    }
}
