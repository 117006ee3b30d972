//! The `imap` crate: folders, search, fetch, an attachment, flags, copy, move, append, expunge, quota, rights, and a
//! delivery told in IDLE.
use imap::extensions::idle::WaitOutcome;
use imap::extensions::metadata::MetadataDepth;
use imap::types::{Flag, UnsolicitedResponse};
use imap::{ClientBuilder, Connection, ConnectionMode, Session};
use imap_proto::types::{Metadata, SectionPath};
use std::{collections::HashSet, env, error::Error, thread, time::Duration};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn open() -> Outcome<Session<Connection>> {
    let client = ClientBuilder::new("localhost", env::var("PORT")?.parse()?)
        .mode(ConnectionMode::Plaintext)
        .connect()?;
    Ok(client.login(env::var("MAILUSER")?, env::var("MAILPASS")?).map_err(|(e, _)| e)?)
}

fn append(session: &mut Session<Connection>, folder: &str, subject: &str) -> Outcome<()> {
    let message = format!("Subject: {subject}\r\n\r\nbody\r\n");
    session.append(folder, message.as_bytes()).flag(Flag::Seen).finish()?;
    Ok(())
}

fn read(session: &mut Session<Connection>) -> Outcome<()> {
    let items =
        "(UID FLAGS ENVELOPE INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[2])";
    let fetched = session.uid_fetch("5", items)?;
    let five = fetched.iter().next().ok_or("no fifth message")?;
    let subject = five.envelope().and_then(|e| e.subject.as_deref()).ok_or("no subject")?;
    assert!(subject.starts_with(b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="));
    assert_eq!(five.size.map(|size| size as usize), five.body().map(<[u8]>::len));
    assert!(five.bodystructure().is_some() && five.internal_date().is_some());
    let part = five.section(&SectionPath::Part(vec![2], None)).ok_or("no part 2")?;
    assert_eq!(part.trim_ascii(), b"AAECAwQF");
    Ok(())
}

fn wait(session: &mut Session<Connection>) -> Outcome<()> {
    let sender = thread::spawn(|| {
        thread::sleep(Duration::from_millis(500));
        let mut other = open().expect("a second session");
        append(&mut other, "INBOX", "news").expect("APPEND");
        other.logout().expect("LOGOUT");
    });
    let mut told = false;
    let outcome = session.idle().timeout(Duration::from_secs(20)).wait_while(|response| {
        told |= matches!(response, UnsolicitedResponse::Exists(19));
        !told
    })?;
    assert!(told && matches!(outcome, WaitOutcome::MailboxChanged), "IDLE told nothing");
    sender.join().expect("the sender");
    Ok(())
}

/// The eighth goes to Work.
fn file(session: &mut Session<Connection>) -> Outcome<()> {
    if !session.capabilities()?.has_str("MOVE") {
        session.uid_copy("8", "INBOX.Work")?;
        session.uid_store("8", "+FLAGS (\\Deleted)")?;
        session.uid_expunge("8")?;
        return Ok(());
    }
    session.uid_mv("8", "INBOX.Work")?;
    let names = session.list_status(None, Some("*"), "(MESSAGES)")?;
    let work = names.iter().find(|(name, _)| name.name() == "INBOX.Work");
    assert_eq!(work.and_then(|(_, status)| status.as_ref()).ok_or("no STATUS of Work")?.exists, 11);
    let note = Metadata { entry: "/private/comment".into(), value: Some("paid".into()) };
    session.set_metadata("INBOX.Work", std::slice::from_ref(&note))?;
    let entries = ["/private/comment"];
    let (found, _) =
        session.get_metadata(Some("INBOX.Work"), &entries, MetadataDepth::Infinity, Some(100))?;
    assert_eq!(found, [note]);
    Ok(())
}

fn main() -> Outcome<()> {
    let mut session = open()?;
    assert!(session.capabilities()?.has_str("UIDPLUS"));
    assert!(session.list(None, Some("*"))?.iter().any(|name| name.name() == "INBOX.Work"));
    assert_eq!(session.select("INBOX")?.exists, 20);
    assert_eq!(session.uid_search("SUBJECT \"message 7\"")?, HashSet::from([7]));
    read(&mut session)?;
    session.uid_store("6:7", "+FLAGS (\\Flagged)")?;
    assert_eq!(session.uid_search("FLAGGED")?, HashSet::from([6, 7]));
    session.create("INBOX.Made")?;
    session.rename("INBOX.Made", "INBOX.Filed")?;
    session.subscribe("INBOX.Filed")?;
    session.uid_copy("7", "INBOX.Filed")?;
    file(&mut session)?;
    session.uid_store("9", "+FLAGS (\\Deleted)")?;
    session.expunge()?;
    append(&mut session, "INBOX.Work", "appended")?;
    assert_eq!(session.status("INBOX.Work", "(MESSAGES)")?.exists, 12);
    session.get_quota_root("INBOX")?;
    assert!(session.my_rights("INBOX")?.parsed().rights().contains('r'));
    wait(&mut session)?;
    session.create("INBOX.Gone")?;
    session.delete("INBOX.Gone")?;
    session.close()?;
    session.logout()?;
    println!("imap: all is well");
    Ok(())
}
