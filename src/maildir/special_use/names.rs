//! Which use a folder has by its name, where nothing was set: the names that mail programs give to
//! such folders, in the languages that they speak.

use crate::types::special_use::SpecialUses;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Of two folders the one whose name stands earlier has the use. In lower case. Not the trash: that
/// is the folder of the setting. No name of an outbox or of templates.
static NAMES: &[(SpecialUses, &[&str])] = &[
    (
        SpecialUses::SENT,
        &[
            "sent",
            "sent items",
            "sent messages",
            "sent mail",
            "sent-mail",
            "sent-items",
            // German
            "gesendet",
            "gesendete objekte",
            "gesendete elemente",
            "gesendete nachrichten",
            // French
            "envoyés",
            "éléments envoyés",
            "messages envoyés",
            "objets envoyés",
            // Spanish, Portuguese
            "enviados",
            "elementos enviados",
            "mensajes enviados",
            "correo enviado",
            "enviadas",
            "itens enviados",
            "mensagens enviadas",
            // Italian
            "inviati",
            "inviata",
            "posta inviata",
            "elementi inviati",
            // Dutch
            "verzonden",
            "verzonden items",
            "verzonden berichten",
            // Polish
            "wysłane",
            "elementy wysłane",
            "wiadomości wysłane",
            // Swedish, Danish, Norwegian
            "skickat",
            "skickade",
            "skickade objekt",
            "skickade meddelanden",
            "sendt",
            "sendte",
            "sendt post",
            "sendte elementer",
            "sendte meldinger",
            // Finnish, Czech, Hungarian, Turkish, Greek
            "lähetetyt",
            "lähetetyt viestit",
            "odeslané",
            "odeslaná pošta",
            "elküldött",
            "elküldött elemek",
            "gönderilenler",
            "gönderilmiş öğeler",
            "απεσταλμένα",
            // Russian, Ukrainian
            "отправленные",
            "надіслані",
            "відправлені",
            // Japanese, Chinese
            "送信済み",
            "送信済みアイテム",
            "送信済みメール",
            "已发送",
            "已发送邮件",
            "寄件備份",
        ],
    ),
    (
        SpecialUses::DRAFTS,
        &[
            "drafts",
            "draft",
            "entwürfe",
            "brouillons",
            "borradores",
            "rascunhos",
            "bozze",
            "concepten",
            "kopie robocze",
            "wersje robocze",
            "szkice",
            "utkast",
            "kladder",
            "udkast",
            "luonnokset",
            "koncepty",
            "rozepsané",
            "piszkozatok",
            "taslaklar",
            "πρόχειρα",
            "черновики",
            "чернетки",
            "下書き",
            "草稿",
            "草稿箱",
        ],
    ),
    (
        SpecialUses::JUNK,
        &[
            "junk",
            "spam",
            "junk e-mail",
            "junk email",
            "junk mail",
            "junk-e-mail",
            "bulk mail",
            "spamverdacht",
            "unerwünscht",
            "indésirables",
            "courrier indésirable",
            "pourriel",
            "correo no deseado",
            "correo basura",
            "no deseado",
            "lixo eletrônico",
            "lixo eletrónico",
            "lixo electrónico",
            "posta indesiderata",
            "indesiderata",
            "ongewenst",
            "ongewenste e-mail",
            "niechciane",
            "niechciana poczta",
            "wiadomości-śmieci",
            "skräppost",
            "uønsket",
            "uønsket mail",
            "uønsket e-mail",
            "uønsket e-post",
            "søppelpost",
            "roskaposti",
            "nevyžádané",
            "nevyžádaná pošta",
            "levélszemét",
            "önemsiz",
            "önemsiz e-posta",
            "ανεπιθύμητα",
            "спам",
            "нежелательная почта",
            "небажана пошта",
            "迷惑メール",
            "垃圾邮件",
            "垃圾郵件",
        ],
    ),
    (
        SpecialUses::ARCHIVE,
        &[
            "archive",
            "archives",
            "archiv",
            "archivo",
            "archivados",
            "arquivo",
            "archivio",
            "archief",
            "archiwum",
            "arkiv",
            "arkisto",
            "archív",
            "archívum",
            "arşiv",
            "αρχείο",
            "архив",
            "архів",
            "アーカイブ",
            "存档",
            "归档",
            "封存",
        ],
    ),
];

/// The most bytes of a name in the list.
const LONGEST: usize = 64;

/// The use of a name, and its place among the names of that use.
pub(super) fn find(name: &[u8]) -> Option<(SpecialUses, usize)> {
    if name.len() > LONGEST {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    let mut small = [0; LONGEST];
    match small.get_mut(..name.len()) {
        Some(small) if name.is_ascii() => {
            small.copy_from_slice(name.as_bytes());
            small.make_ascii_lowercase();
            PLACES.get(std::str::from_utf8(small).ok()?).copied()
        }
        _ => PLACES.get(&*name.to_lowercase()).copied(),
    }
}

/// LIST asks for each of thousands of folders.
static PLACES: LazyLock<HashMap<&str, (SpecialUses, usize)>> = LazyLock::new(|| {
    let of_use = |(uses, names): &'static (SpecialUses, &'static [&'static str])| {
        names.iter().enumerate().map(|(at, name)| (*name, (*uses, at)))
    };
    NAMES.iter().flat_map(of_use).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_list() {
        let mut seen = HashSet::new();
        for name in NAMES.iter().flat_map(|(_, names)| *names) {
            assert!(seen.insert(*name), "{name} stands twice");
            assert_eq!(name.to_lowercase(), *name, "and in lower case");
            assert!(name.len() <= LONGEST && !name.contains('.'), "{name}");
        }
        for (name, uses) in [
            ("Sent", Some(SpecialUses::SENT)),
            ("SENT ITEMS", Some(SpecialUses::SENT)),
            ("Éléments Envoyés", Some(SpecialUses::SENT)),
            ("ЧЕРНОВИКИ", Some(SpecialUses::DRAFTS)),
            ("Spam", Some(SpecialUses::JUNK)),
            ("Archives", Some(SpecialUses::ARCHIVE)),
            ("Trash", None),
            ("Outbox", None),
            ("Sent2", None),
            ("", None),
        ] {
            assert_eq!(find(name.as_bytes()).map(|(uses, _)| uses), uses, "{name}");
        }
        assert_eq!(find(b"Sent\xff"), None);
    }
}
