//! Names of character sets.

use encoding_rs::{Encoding, IBM866, REPLACEMENT};
use oem_cp::code_table as oem;
use oem_cp::code_table_type::TableType::{self, Complete, Incomplete};

/// A character set that can be decoded.
#[derive(Debug, Clone)]
pub(crate) enum Charset {
    /// One of the WHATWG encoding standard.
    Web(&'static Encoding),
    /// A code page of DOS.
    Page(TableType),
    /// RFC 2152.
    Utf7,
    /// RFC 1843.
    Hz,
    /// RFC 1557.
    Iso2022Kr,
}

/// The character set that a label names. None for unknown ones: SEARCH answers BADCHARSET then (RFC
/// 3501 6.4.4).
pub(crate) fn lookup(label: &[u8]) -> Option<Charset> {
    let label = bare(label);
    // "replacement" stands for encodings that encoding_rs refuses to decode.
    match Encoding::for_label(label).filter(|e| *e != REPLACEMENT) {
        Some(encoding) => Some(Charset::Web(encoding)),
        None => other(&key(label)),
    }
}

/// Without white space and without the language that may follow (RFC 2231 5).
fn bare(label: &[u8]) -> &[u8] {
    let label = label.split(|b| *b == b'*').next().unwrap_or(label);
    label.trim_ascii()
}

/// Letters and digits, in lower case: `ISO_8859-1`, `iso8859-1` and `ISO 8859 1` are one.
fn key(label: &[u8]) -> String {
    // The longest name is shorter.
    let label = label.get(..64).unwrap_or(label);
    let letters = label.iter().filter(|b| b.is_ascii_alphanumeric());
    letters.map(|b| char::from(b.to_ascii_lowercase())).collect()
}

/// Whether the label means plain ASCII.
pub(super) fn is_ascii(label: &[u8]) -> bool {
    matches!(
        key(bare(label)).as_str(),
        "usascii"
            | "ascii"
            | "ansix341968"
            | "ansix341986"
            | "iso646us"
            | "646"
            | "us"
            | "cp367"
            | "ibm367"
            | "cp20127"
            | "csascii"
    )
}

/// Whether the label leaves open what 8-bit bytes are, so that this must be guessed.
pub(super) fn says_nothing(label: &[u8]) -> bool {
    is_ascii(label)
        || matches!(
            key(bare(label)).as_str(),
            // What mailers write that do not know it themselves (RFC 1428 has unknown-8bit).
            "" | "unknown8bit"
                | "unknown"
                | "xunknown"
                | "8bit"
                | "binary"
                | "default"
                | "none"
                | "xuserdefined"
        )
}

fn web(name: &str) -> Option<Charset> {
    Encoding::for_label(name.as_bytes()).map(Charset::Web)
}

/// Names that mail has and the web has not.
fn other(key: &str) -> Option<Charset> {
    match key {
        "utf7" | "unicode11utf7" | "csunicode11utf7" | "unicode20utf7" | "xunicode20utf7" => {
            return Some(Charset::Utf7);
        }
        "hz" | "hzgb2312" | "hzgb" => return Some(Charset::Hz),
        "iso2022kr" | "csiso2022kr" => return Some(Charset::Iso2022Kr),
        "cspc8codepage437" => return page(437),
        "cspc775baltic" => return page(775),
        "cspc850multilingual" => return page(850),
        "cspcp852" => return page(852),
        "cspc862latinhebrew" => return page(862),
        "pcmultilingual850euro" => return page(858),
        _ => {}
    }
    let name = match key {
        "usascii" | "ansix341986" | "iso646us" | "646" | "us" => "us-ascii",
        "utf8mb4" | "utf8mac" => "utf-8",
        "shiftjis" | "sjiswin" | "sjis" | "mskanji" | "windows31j" => "shift_jis",
        "eucjp" | "ujis" | "eucjpms" | "eucjpwin" => "euc-jp",
        "iso2022jp1" | "iso2022jp2" | "iso2022jp3" | "iso2022jpms" => "iso-2022-jp",
        "euckr" | "uhc" | "ksc5636" => "euc-kr",
        "euccn" | "cngb" | "gb" | "gb23121980" => "gbk",
        "big5" | "big5hkscs" | "bigfive" | "cnbig5" => "big5",
        "koi8" | "koi8ru" => {
            if key == "koi8" {
                "koi8-r"
            } else {
                "koi8-u"
            }
        }
        "macroman" | "xmacroman" | "applemac" | "osroman" => "macintosh",
        "maccyrillic" | "macuk" | "macukrainian" => "x-mac-cyrillic",
        "arabic" | "asmo708" => "iso-8859-6",
        "latin7" => "iso-8859-13",
        "latin8" => "iso-8859-14",
        "latin9" | "latin0" => "iso-8859-15",
        "latin10" => "iso-8859-16",
        _ if key.starts_with("tis620") => "tis-620",
        _ => return numbered(key),
    };
    web(name)
}

/// Names that end in a number.
fn numbered(key: &str) -> Option<Charset> {
    let letters = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = key.get(letters.len()..)?;
    match letters {
        "iso" | "xiso" | "csiso" | "" if number.len() > 4 && number.starts_with("8859") => {
            web(&format!("iso-8859-{}", number.get(4..)?))
        }
        "latin" | "isolatin" | "l" => web(&format!("latin{number}")),
        "cp" | "xcp" | "ibm" | "csibm" | "ibmcp" | "windows" | "xwindows" | "cswindows" | "win"
        | "ms" | "mscp" | "dos" | "oem" | "codepage" | "" => page(number.parse().ok()?),
        _ => None,
    }
}

/// A code page by its number, of IBM's and Microsoft's.
fn page(number: u32) -> Option<Charset> {
    let table = match number {
        437 => Complete(&oem::DECODING_TABLE_CP437),
        720 => Complete(&oem::DECODING_TABLE_CP720),
        737 => Complete(&oem::DECODING_TABLE_CP737),
        775 => Complete(&oem::DECODING_TABLE_CP775),
        850 => Complete(&oem::DECODING_TABLE_CP850),
        852 => Complete(&oem::DECODING_TABLE_CP852),
        855 => Complete(&oem::DECODING_TABLE_CP855),
        857 => Incomplete(&oem::DECODING_TABLE_CP857),
        858 => Complete(&oem::DECODING_TABLE_CP858),
        860 => Complete(&oem::DECODING_TABLE_CP860),
        861 => Complete(&oem::DECODING_TABLE_CP861),
        862 => Complete(&oem::DECODING_TABLE_CP862),
        863 => Complete(&oem::DECODING_TABLE_CP863),
        864 => Incomplete(&oem::DECODING_TABLE_CP864),
        865 => Complete(&oem::DECODING_TABLE_CP865),
        869 => Complete(&oem::DECODING_TABLE_CP869),
        866 => return Some(Charset::Web(IBM866)),
        50225 => return Some(Charset::Iso2022Kr),
        52936 => return Some(Charset::Hz),
        65000 => return Some(Charset::Utf7),
        number => return web(of_page(number)?),
    };
    Some(Charset::Page(table))
}

/// The web's name of a code page.
fn of_page(number: u32) -> Option<&'static str> {
    Some(match number {
        367 | 20127 => "us-ascii",
        819 | 28591 => "latin1",
        874 => "windows-874",
        932 | 943 => "shift_jis",
        936 => "gbk",
        949 | 51949 => "euc-kr",
        950 => "big5",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1252 => "windows-1252",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        10000 => "macintosh",
        10007 | 10017 => "x-mac-cyrillic",
        20866 => "koi8-r",
        21866 => "koi8-u",
        28592 => "iso-8859-2",
        28593 => "iso-8859-3",
        28594 => "iso-8859-4",
        28595 => "iso-8859-5",
        28596 => "iso-8859-6",
        28597 => "iso-8859-7",
        28598 | 38598 => "iso-8859-8",
        28599 => "iso-8859-9",
        28603 => "iso-8859-13",
        28605 => "iso-8859-15",
        50220..=50222 => "iso-2022-jp",
        51932 => "euc-jp",
        51936 => "gbk",
        54936 => "gb18030",
        65001 => "utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(label: &str) -> String {
        match lookup(label.as_bytes()) {
            Some(Charset::Web(encoding)) => encoding.name().to_owned(),
            Some(Charset::Page(table)) => {
                format!("page {}", table.decode_char_checked(0x9c).unwrap_or('-'))
            }
            Some(other) => format!("{other:?}"),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn names() {
        for (labels, name) in [
            ("utf8 UTF-8 unicode-1-1-utf-8 cp65001 utf8mb4", "UTF-8"),
            (
                "iso-8859-1 ISO_8859-1:1987 iso8859_1 8859-1 cp819 us-ascii cp1252 win1252 646",
                "windows-1252",
            ),
            ("iso-8859-2 iso8859-2 8859_2 latin2 cp28592", "ISO-8859-2"),
            ("latin-9 iso8859-15 csISOLatin9", "ISO-8859-15"),
            ("windows-1251 cp1251 win-1251 1251", "windows-1251"),
            ("koi8-r koi8 cp20866", "KOI8-R"),
            ("tis-620 TIS620 tis620.2533-0 cp874 iso-8859-11", "windows-874"),
            ("cp866 ibm866 866", "IBM866"),
            ("cp932 ms_kanji Shift-JIS windows-31j cp943", "Shift_JIS"),
            ("gb2312 cp936 ms936 euc-cn gb_2312-80", "GBK"),
            ("gb18030 cp54936", "gb18030"),
            ("big5 cp950 big5-hkscs", "Big5"),
            ("ks_c_5601-1987 cp949 uhc euckr", "EUC-KR"),
            ("iso-2022-jp iso-2022-jp-2 cp50221", "ISO-2022-JP"),
            ("macintosh x-mac-roman mac cp10000", "macintosh"),
            ("cp437 IBM437 437 csPC8CodePage437", "page £"),
            ("cp850 ibm850 IBM-850 850 csPC850Multilingual", "page £"),
            ("cp852 ibm852", "page ť"),
            ("cp855", "page ю"),
            ("utf-7 UTF7 unicode-1-1-utf-7 cp65000", "Utf7"),
            ("hz-gb-2312 HZ", "Hz"),
            ("iso-2022-kr csISO2022KR", "Iso2022Kr"),
            (
                "x-nonsense iso-8859-12 iso-2022-cn utf-32 ebcdic-cp-us cp037 cp1 8859 utf-7-imap",
                "-",
            ),
        ] {
            for label in labels.split(' ') {
                assert_eq!(shown(label), name, "{label}");
            }
        }
        assert_eq!(shown("  utf-8*en "), "UTF-8");
        assert!(says_nothing(b"") && says_nothing(b"US-ASCII") && says_nothing(b"unknown-8bit"));
        assert!(!says_nothing(b"latin1"));
        // SEARCH refuses these.
        assert_eq!((shown("unknown-8bit"), shown("")), ("-".into(), "-".into()));
    }
}
