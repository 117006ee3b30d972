//! Unique names, of temporary files and of messages (STORAGE 1.2), and the parts of a message's
//! name. No two deliveries on any host ever share a name, which is why a Maildir needs no lock for
//! them.

use super::host::Host;
use super::store::Store;
use crate::sys::{clock, user};
use crate::types::{Flags, number};

/// The first part of a name: `<seconds>.M<microseconds>P<pid>`.
fn push_moment(out: &mut Vec<u8>, (seconds, micros): (i64, u32)) {
    // Before 1970 the clock is so wrong that the name need not say how wrong.
    number::push(out, u64::try_from(seconds).unwrap_or(0));
    out.extend_from_slice(b".M");
    number::push(out, u64::from(micros));
    out.push(b'P');
    number::push(out, u64::from(user::pid()));
}

/// A name of a control file in `tmp`: `<seconds>.M<microseconds>P<pid><tag>.<host>`.
pub(super) fn with_tag(host: &Host, tag: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(64);
    push_moment(&mut name, clock::now());
    name.extend_from_slice(tag);
    name.push(b'.');
    name.extend_from_slice(host.as_bytes());
    name
}

/// What makes one message's name unique: the moment, and a number of this process.
#[derive(Clone, Copy)]
pub(super) struct Stem {
    moment: (i64, u32),
    count: u64,
}

impl Stem {
    /// A new one, with the next number of the process.
    pub(super) fn next(store: &Store) -> Stem {
        Stem { moment: clock::now(), count: store.next_message() }
    }

    fn push_end(self, out: &mut Vec<u8>, host: &Host, size: Option<u64>) {
        out.push(b'_');
        number::push(out, self.count);
        out.push(b'.');
        out.extend_from_slice(host.as_bytes());
        if let Some(size) = size {
            out.extend_from_slice(b",S=");
            number::push(out, size);
        }
    }

    /// The message's name in `tmp`.
    pub(super) fn temporary(self, host: &Host, size: Option<u64>) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        push_moment(&mut out, self.moment);
        self.push_end(&mut out, host, size);
        out
    }

    /// The message's base name in `cur`, with the file's device, inode and size in bytes.
    pub(super) fn base(self, host: &Host, (device, inode): (u64, u64), size: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        push_moment(&mut out, self.moment);
        out.extend_from_slice(format!("V{device:016X}I{inode:016X}").as_bytes());
        self.push_end(&mut out, host, Some(size));
        out
    }
}

/// The length of a file name's base name, which ends at the last `:`.
pub(super) fn base_length(name: &[u8]) -> usize {
    memchr::memrchr(b':', name).unwrap_or(name.len())
}

/// The base name of a file name: all before its last `:`.
pub(super) fn base(name: &[u8]) -> &[u8] {
    name.get(..base_length(name)).unwrap_or(name)
}

/// The length of a file name's key, which ends at the first `:`.
pub(super) fn key_length(name: &[u8]) -> usize {
    memchr::memchr(b':', name).unwrap_or(name.len())
}

/// The key of a file name, by which names are compared: all before its first `:` (STORAGE 2.3).
pub(super) fn key(name: &[u8]) -> &[u8] {
    name.get(..key_length(name)).unwrap_or(name)
}

/// The order in which new messages get their UIDs: by the leading decimal number, then by the bytes
/// (STORAGE 2.3).
pub(super) fn order(key: &[u8]) -> (i64, &[u8]) {
    (number::atoi(key), key)
}

/// A base name without a trailing `,S=<digits>` (STORAGE 1.4).
pub(super) fn without_size(base: &[u8]) -> &[u8] {
    let Some(comma) = memchr::memrchr(b',', base) else { return base };
    match base.get(comma..).and_then(|s| s.strip_prefix(b",S=")) {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            base.get(..comma).unwrap_or(base)
        }
        _ => base,
    }
}

/// When a message was put into its folder, in seconds since 1970, by its base name. `None` for a
/// name that is not made as we and Courier's programs make it (see [`Stem`]): another program's
/// number may be anything.
pub(super) fn saved(base: &[u8]) -> Option<i64> {
    let (seconds, rest) = leading(base, u8::is_ascii_digit)?;
    let (_, rest) = leading(rest.strip_prefix(b".M")?, u8::is_ascii_digit)?;
    let (_, rest) = leading(rest.strip_prefix(b"P")?, u8::is_ascii_digit)?;
    let (_, rest) = leading(rest.strip_prefix(b"V")?, u8::is_ascii_hexdigit)?;
    let (_, rest) = leading(rest.strip_prefix(b"I")?, u8::is_ascii_hexdigit)?;
    let (_, rest) = leading(rest.strip_prefix(b"_")?, u8::is_ascii_digit)?;
    let host = rest.strip_prefix(b".")?;
    let seconds = number::digits(seconds).and_then(|n| i64::try_from(n).ok())?;
    (!host.is_empty()).then_some(seconds)
}

/// The bytes of a kind that a text begins with, at least one, and what follows them.
fn leading(text: &[u8], is_of_kind: impl Fn(&u8) -> bool) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|b| !is_of_kind(b)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(kind, _)| !kind.is_empty())
}

/// The name of a message's file: its base name, and the letters of its flags.
pub(crate) fn with_flags(base: &[u8], flags: Flags) -> Vec<u8> {
    let mut name = [base, b":2,"].concat();
    flags.push_letters(&mut name);
    name
}

/// The name of a message's file that has another base name and lacks some of the flags. What other
/// programs have written among the flags stays (STORAGE 1.2).
pub(super) fn renamed_without(name: &[u8], new_base: &[u8], lost: Flags) -> Vec<u8> {
    let mut letters = Vec::new();
    lost.push_letters(&mut letters);
    let info = name.get(base_length(name)..).and_then(|info| info.strip_prefix(b":2,"));
    let kept = info.unwrap_or_default().iter().filter(|letter| !letters.contains(letter));
    [new_base, b":2,"].concat().into_iter().chain(kept.copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_couriers() {
        let host = Host::new(b"host1");
        let stem = Stem { moment: (1_700_000_000, 424_242), count: 0 };
        let pid = user::pid();
        assert_eq!(
            stem.temporary(&host, None),
            format!("1700000000.M424242P{pid}_0.host1").as_bytes()
        );
        assert_eq!(
            stem.temporary(&host, Some(17)),
            format!("1700000000.M424242P{pid}_0.host1,S=17").as_bytes()
        );
        assert_eq!(
            stem.base(&host, (0xFE00, 0x9AE523), 17),
            format!("1700000000.M424242P{pid}V000000000000FE00I00000000009AE523_0.host1,S=17")
                .as_bytes()
        );
    }

    #[test]
    fn names_that_say_when() {
        let stem = Stem { moment: (1_700_000_000, 424_242), count: 3 };
        let ours = stem.base(&Host::new(b"host1"), (0xFE00, 0x9AE523), 17);
        assert_eq!(saved(&ours), Some(1_700_000_000));
        for (name, seconds) in [
            (
                "1795697008.M5P6V0000000000000801I0000000000ABCDEF_0.mail.example",
                Some(1_795_697_008),
            ),
            ("0.M5P6V801Iabc_0.h,S=3", Some(0)),
            // Dovecot, Postfix, qmail, mutt, procmail, a tool's own.
            ("1795697008.M5P6.mail.example,S=1,W=2", None),
            ("1795697008.V801Iabc_0M5.mail.example", None),
            ("1795697008.6.mail.example", None),
            ("1795697008.R123456789.mail.example", None),
            ("1795697008.6_0.mail.example", None),
            ("1001.m1", None),
            ("", None),
            (".M5P6V801Iabc_0.h", None),
            ("1.M5P6V801Iabc_0", None),
            ("1.M5P6V801Iabc_0.", None),
            ("1.M5P6V801Iabc_.h", None),
            ("1.MP6V801Iabc_0.h", None),
            ("99999999999999999999.M5P6V801Iabc_0.h", None),
            ("18446744073709551615.M5P6V801Iabc_0.h", None),
        ] {
            assert_eq!(saved(name.as_bytes()), seconds, "{name}");
        }
    }

    #[test]
    fn sizes_are_set_aside() {
        for (name, rest) in [
            ("1.a,S=12", "1.a"),
            ("1.a", "1.a"),
            ("1.a,S=", "1.a,S="),
            ("1.a,S=1x", "1.a,S=1x"),
            ("1.a,W=3", "1.a,W=3"),
        ] {
            assert_eq!(without_size(name.as_bytes()), rest.as_bytes());
        }
    }

    #[test]
    fn names_come_in_order() {
        let mut names = ["1000.x", "900.x", "x", "900.a", "1000.xa"];
        names.sort_by(|a, b| order(a.as_bytes()).cmp(&order(b.as_bytes())));
        assert_eq!(names, ["x", "900.a", "900.x", "1000.x", "1000.xa"]);
    }
}
