//! METADATA (RFC 5464 4.4).

use super::{Encoder, Untagged};

/// Annotations of a folder, or of the server, with their values.
pub(crate) struct Metadata<'a> {
    /// The folder, as the client wrote it; empty for the server.
    pub(crate) name: &'a [u8],
    /// Names and values; `None` is NIL.
    pub(crate) entries: &'a [(Vec<u8>, Option<Vec<u8>>)],
}

impl Untagged for Metadata<'_> {
    fn write(&self, e: &mut Encoder<'_>) {
        e.raw("METADATA ").string(self.name).space();
        e.list(self.entries, |e, (name, value)| {
            if name.iter().all(|b| b.is_ascii_graphic() && !b"(){\\\"]".contains(b)) {
                e.raw(name);
            } else {
                e.string(name);
            }
            e.space();
            match value {
                Some(value) => e.binary(value),
                None => e.raw("NIL"),
            };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::written;

    #[test]
    fn values() {
        for (value, wire) in [
            (None, "NIL"),
            (Some(&b""[..]), "\"\""),
            (Some(b"a \"b\" \\"), "\"a \\\"b\\\" \\\\\""),
            (Some(b"a\r\nb"), "{4}\r\na\r\nb"),
            (Some(b"a\nb"), "{3}\r\na\nb"),
            (Some("é".as_bytes()), "{2}\r\né"),
            (Some(b"a\0b"), "~{3}\r\na\0b"),
        ] {
            let entries = [(b"/shared/comment".to_vec(), value.map(<[u8]>::to_vec))];
            let response = written(&Metadata { name: b"INBOX", entries: &entries });
            assert_eq!(response, format!("METADATA \"INBOX\" (/shared/comment {wire})"));
        }
        let entries = [(b"/shared/a b".to_vec(), None), (b"/shared/(".to_vec(), None)];
        let response = written(&Metadata { name: b"", entries: &entries });
        assert_eq!(response, "METADATA \"\" (\"/shared/a b\" NIL \"/shared/(\" NIL)");
    }
}

/// What the code `METADATA` says (RFC 5464 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MetadataCode {
    /// The longest value that was asked for and left out has so many bytes.
    LongEntries(u64),
    /// A value may have so many bytes.
    MaxSize(u64),
    /// There would be too many annotations.
    TooMany,
    /// There are no private ones here.
    NoPrivate,
}

impl MetadataCode {
    /// Writes what stands behind the word.
    pub(crate) fn write<'e, 'io>(self, e: &'e mut Encoder<'io>) -> &'e mut Encoder<'io> {
        match self {
            MetadataCode::LongEntries(length) => e.raw("LONGENTRIES ").number(length),
            MetadataCode::MaxSize(length) => e.raw("MAXSIZE ").number(length),
            MetadataCode::TooMany => e.raw("TOOMANY"),
            MetadataCode::NoPrivate => e.raw("NOPRIVATE"),
        }
    }
}
