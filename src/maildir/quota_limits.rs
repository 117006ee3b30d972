//! The limits of a Maildir++ quota, as `MAILDIRQUOTA` and the first line of `maildirsize` spell
//! them (STORAGE 7.1).

use crate::sys::log::value;
use crate::types::number;

/// The limits of a quota; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct QuotaLimits {
    /// Bytes on disk (LF line ends).
    pub(crate) bytes: u64,
    /// Messages.
    pub(crate) messages: u64,
}

impl QuotaLimits {
    /// Parses `5000S,10C`: numbers with the letters S (bytes) and C (messages). Other text is
    /// skipped. If a number has another letter, that is logged once. `None` if nothing is limited.
    pub(crate) fn parse(text: &[u8]) -> Option<QuotaLimits> {
        let mut limits = QuotaLimits::default();
        let mut rest = text;
        let mut is_odd = false;
        while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
            rest = rest.get(start..).unwrap_or_default();
            let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            let n = number::digits(digits).unwrap_or(u64::MAX);
            match after.first() {
                Some(b'S') => limits.bytes = n,
                Some(b'C') => limits.messages = n,
                Some(b) if b.is_ascii_alphabetic() => is_odd = true,
                _ => {}
            }
            rest = after;
        }
        if is_odd {
            log::warn!("quota string '{}' not parseable", value(text));
        }
        (limits != QuotaLimits::default()).then_some(limits)
    }

    /// The limits as the first line of `maildirsize` has them.
    pub(super) fn line(self) -> String {
        let one = |n: u64, letter| if n == 0 { String::new() } else { format!("{n}{letter}") };
        let comma = if self.bytes != 0 && self.messages != 0 { "," } else { "" };
        format!("{}{comma}{}", one(self.bytes, 'S'), one(self.messages, 'C'))
    }

    /// Whether so many bytes and messages are more than the limits allow.
    pub(super) fn exceeded_by(self, bytes: i64, messages: i64) -> bool {
        let over = |n: i64, limit: u64| limit != 0 && u64::try_from(n).is_ok_and(|n| n > limit);
        over(bytes, self.bytes) || over(messages, self.messages)
    }
}
