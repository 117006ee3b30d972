//! CAPABILITY (RFC 3501 6.1.1, PROTOCOL 3.1): which words are announced, and when.
//!
//! A word is Courier's or ours. Courier's are what the settings make of them, and a word that
//! Courier knows and a setting leaves out stays out: an administrator took it away. Ours are on,
//! unless `IMAP_EXTENSIONS` takes them away; then the commands, options and responses that they
//! announce are unknown too (but for `{n+}`, which is always understood).

use super::Call;
use crate::response::session::Capability as Response;
use crate::session::{Features, Options, Outcome, Result, Session};

/// One word.
struct Capability {
    word: &'static str,
    when: When,
    /// What `ENABLE` switches on by this word (RFC 5161).
    enables: Option<Features>,
    /// Words that it cannot do without.
    needs: &'static [&'static str],
    /// Whether the administrator has switched off the command that it extends.
    disabled: fn(&Options) -> bool,
}

/// When a word is announced.
#[derive(Clone, Copy)]
enum When {
    /// It is Courier's, and goes where `IMAP_CAPABILITY` says.
    Setting,
    /// It is Courier's, and another setting decides.
    If(fn(&Options) -> bool),
    /// It is Courier's, and stands for a setting's value.
    Text(fn(&Options) -> Option<Vec<u8>>),
    /// It is Courier's, and is announced whatever the settings are.
    Always,
    /// It is ours, and goes with `IMAP_EXTENSIONS`.
    Extension,
}

const fn word(word: &'static str, when: When) -> Capability {
    Capability { word, when, enables: None, needs: &[], disabled: |_| false }
}

/// A word of ours that extends SORT or THREAD.
const fn sorting(word: &'static str, needs: &'static [&'static str]) -> Capability {
    let disabled = |options: &Options| options.disable_thread_sort;
    Capability { word, when: When::Extension, enables: None, needs, disabled }
}

/// Every word that has a rule here, in the order in which they are announced.
static CAPABILITIES: &[Capability] = &[
    word("IMAP4rev1", When::Setting),
    word("UIDPLUS", When::Setting),
    word("CHILDREN", When::Setting),
    word("NAMESPACE", When::Setting),
    word("THREAD=ORDEREDSUBJECT", When::Setting),
    word("THREAD=REFERENCES", When::Setting),
    word("SORT", When::Setting),
    word("QUOTA", When::Setting),
    word("IDLE", When::Setting),
    word("ACL", When::If(|options| options.acl)),
    word("ACL2=UNION", When::If(|options| options.acl)),
    // Courier: where the setting is there. Ruby's net-imap sends ID unasked and fails where it is BAD.
    word("ID", When::If(|o| o.id_fields.is_some() || o.extensions.are_on())),
    word("AUTH=EXTERNAL", When::If(|options| options.tls && options.tls_external)),
    word(
        "XCOURIEROUTBOX",
        When::Text(|options| Some([b"XCOURIEROUTBOX=INBOX", options.outbox.as_deref()?].concat())),
    ),
    word("XMAGICTRASH", When::If(|options| options.move_to_trash)),
    word("LITERAL+", When::Extension),
    word("UNSELECT", When::Extension),
    word("ENABLE", When::Always),
    Capability {
        word: "UTF8=ACCEPT",
        when: When::Always,
        enables: Some(Features::UTF8_ACCEPT),
        needs: &["ENABLE"],
        disabled: |_| false,
    },
    word("MOVE", When::Extension),
    word("MULTIAPPEND", When::Extension),
    word("CATENATE", When::Extension),
    Capability { needs: &["CATENATE"], ..word("URL-PARTIAL", When::Extension) },
    word("REPLACE", When::Extension),
    word("BINARY", When::Extension),
    word("SAVEDATE", When::Extension),
    word("ESEARCH", When::Extension),
    Capability { needs: &["ESEARCH"], ..word("SEARCHRES", When::Extension) },
    word("WITHIN", When::Extension),
    sorting("ESORT", &["SORT", "ESEARCH"]),
    Capability { needs: &["ESEARCH"], ..word("PARTIAL", When::Extension) },
    sorting("SORT=DISPLAY", &["SORT"]),
    sorting("THREAD=REFS", &[]),
    word("I18NLEVEL=1", When::Extension),
    Capability { needs: &["ESEARCH"], ..word("MULTISEARCH", When::Extension) },
    word("LIST-EXTENDED", When::Extension),
    Capability { needs: &["LIST-EXTENDED"], ..word("LIST-STATUS", When::Extension) },
    Capability { needs: &["LIST-EXTENDED", "ACL"], ..word("LIST-MYRIGHTS", When::Extension) },
    Capability { needs: &["LIST-EXTENDED", "METADATA"], ..word("LIST-METADATA", When::Extension) },
    word("METADATA", When::Extension),
    Capability { needs: &["LIST-EXTENDED"], ..word("SPECIAL-USE", When::Extension) },
    Capability { needs: &["SPECIAL-USE"], ..word("CREATE-SPECIAL-USE", When::Extension) },
    Capability { needs: &["ACL"], ..word("RIGHTS=texk", When::Extension) },
    Capability { needs: &["QUOTA"], ..word("QUOTA=RES-STORAGE", When::Extension) },
    Capability { needs: &["QUOTA"], ..word("QUOTA=RES-MESSAGE", When::Extension) },
    word("APPENDLIMIT", When::Extension),
    word("COMPRESS=DEFLATE", When::Extension),
    word("INPROGRESS", When::Extension),
    Capability { enables: Some(Features::CONDSTORE), ..word("CONDSTORE", When::Extension) },
    Capability {
        enables: Some(Features::QRESYNC),
        needs: &["CONDSTORE"],
        ..word("QRESYNC", When::Extension)
    },
];

/// The word of this name in a table.
fn find<'a>(table: &'a [Capability], word: &str) -> Option<&'a Capability> {
    table.iter().find(|c| c.word.eq_ignore_ascii_case(word))
}

/// Whether an extension is offered, and all that it needs with it.
fn is_offered_of(table: &[Capability], options: &Options, word: &str) -> bool {
    find(table, word).is_some_and(|capability| {
        let itself = match capability.when {
            When::Setting => is_set(options, capability.word),
            When::Always => true,
            When::If(setting) => setting(options),
            When::Text(text) => text(options).is_some(),
            When::Extension => options.extensions.have(capability.word),
        };
        itself
            && !(capability.disabled)(options)
            && capability.needs.iter().all(|need| is_offered_of(table, options, need))
    })
}

/// Whether what a word announces is there. (Courier's commands are, announced or not.)
pub(super) fn is_offered(options: &Options, word: &str) -> bool {
    is_offered_of(CAPABILITIES, options, word)
}

/// What the administrator wants of Courier's words; `None`: what we think best.
fn setting(options: &Options) -> Option<&[u8]> {
    let with_tls = options.capability_tls.as_deref().filter(|_| options.tls);
    with_tls.or(options.capability.as_deref())
}

/// Whether the setting has a word, or there is none.
fn is_set(options: &Options, word: &str) -> bool {
    let has = |setting: &[u8]| {
        setting.split(|b| *b == b' ').any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    };
    setting(options).map_or(options.extensions.are_on(), has)
}

/// Whether a word may be announced because a setting names it.
fn is_true(options: &Options, word: &[u8]) -> bool {
    let ours = std::str::from_utf8(word).ok().and_then(|word| find(CAPABILITIES, word));
    let ours = ours.filter(|c| matches!(c.when, When::Extension));
    ours.is_none_or(|c| is_offered(options, c.word))
}

/// The words for these settings, none twice.
pub(crate) fn words(options: &Options) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut put = |part: &[u8]| {
        for word in part.split(|b| *b == b' ').filter(|w| !w.is_empty()) {
            if !words.iter().any(|w| w.eq_ignore_ascii_case(word)) {
                words.push(word.to_vec());
            }
        }
    };
    match setting(options) {
        // A word of ours that the setting names stays out all the same where it is not offered.
        Some(setting) => {
            setting.split(|b| *b == b' ').filter(|w| is_true(options, w)).for_each(&mut put)
        }
        None if options.extensions.are_on() => {
            CAPABILITIES
                .iter()
                .filter(|c| matches!(c.when, When::Setting))
                .for_each(|c| put(c.word.as_bytes()));
        }
        None => put(b"IMAP4rev1"),
    }
    // What `SMAP_CAPABILITY` names (SMAP1) is not served, so it is not announced.
    if options.smap_capability.is_some() && options.keywords.is_on() {
        put(b"KEYWORDS");
    }
    for capability in CAPABILITIES {
        match capability.when {
            When::Setting => {}
            When::Text(text) => put(&text(options).unwrap_or_default()),
            _ if is_offered(options, capability.word) => put(capability.word.as_bytes()),
            _ => {}
        }
    }
    words
}

/// Whether a word is announced.
pub(super) fn is_announced(options: &Options, word: &str) -> bool {
    words(options).iter().any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}

/// What `ENABLE` switches on by a word; `None` where it is not offered.
pub(super) fn enables(options: &Options, word: &[u8]) -> Option<Features> {
    let word = std::str::from_utf8(word).ok()?;
    find(CAPABILITIES, word)?.enables.filter(|_| is_offered(options, word))
}

/// The words of what is switched on.
pub(super) fn enabled_words(enabled: Features) -> Vec<&'static str> {
    let is_on = |c: &&Capability| c.enables.is_some_and(|feature| enabled.contains(feature));
    CAPABILITIES.iter().filter(is_on).map(|c| c.word).collect()
}

/// The words that are ours.
pub(crate) fn extensions() -> Vec<&'static str> {
    let is_ours = |c: &&Capability| matches!(c.when, When::Extension);
    CAPABILITIES.iter().filter(is_ours).map(|c| c.word).collect()
}

/// The words that are ours and need others, with what they need.
pub(crate) fn needs() -> Vec<(&'static str, &'static [&'static str])> {
    let is_ours = |c: &&Capability| matches!(c.when, When::Extension) && !c.needs.is_empty();
    CAPABILITIES.iter().filter(is_ours).map(|c| (c.word, c.needs)).collect()
}

/// The words in `IMAP_EXTENSIONS` that name no extension of ours, each once.
pub(crate) fn unknown_extensions(options: &Options) -> Vec<&str> {
    let mut unknown = Vec::new();
    for word in options.extensions.words() {
        let capability = find(CAPABILITIES, word.strip_prefix('-').unwrap_or(word));
        let is_ours = capability.is_some_and(|c| matches!(c.when, When::Extension));
        if !is_ours && !unknown.contains(&word.as_str()) {
            unknown.push(word);
        }
    }
    unknown
}

/// Sends the words.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    s.send(&Response(&words(&s.options)));
    Ok(Outcome::ok("CAPABILITY completed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::TABLE;
    use crate::commands::row::Known;
    use crate::session::features::Extensions;

    #[test]
    fn the_table_of_commands_names_known_words() {
        for row in TABLE {
            for word in row.policy.capabilities {
                let capability = find(CAPABILITIES, word);
                assert!(capability.is_some(), "{}: {word}", row.name);
                let is_ours = capability.is_some_and(|c| matches!(c.when, When::Extension));
                assert!(!is_ours || row.policy.known == Known::WhereOffered, "{}", row.name);
            }
        }
    }

    #[test]
    fn what_depends_on_a_word_that_is_gone_goes_too() {
        let table = [
            word("A", When::Extension),
            Capability { needs: &["A"], ..word("B", When::Extension) },
            Capability { needs: &["B"], ..word("C", When::Extension) },
            word("D", When::Extension),
        ];
        let offered = |setting: &str| {
            let options =
                Options { extensions: Extensions::parse(setting.as_bytes()), ..Options::default() };
            let is_on = |c: &&Capability| is_offered_of(&table, &options, c.word);
            table.iter().filter(is_on).map(|c| c.word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(offered(""), "A B C D");
        assert_eq!(offered("0"), "");
        assert_eq!(offered("-A"), "D");
        assert_eq!(offered("-B"), "A D");
        assert_eq!(offered("C D"), "D");
        assert_eq!(offered("a b"), "A B");
    }
}
