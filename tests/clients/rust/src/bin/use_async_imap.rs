//! The `async-imap` crate, which Delta Chat is built on: folders, search, fetch, an attachment, flags, copy, move, append,
//! expunge, quota, and a delivery told in IDLE.
use async_imap::extensions::idle::IdleResponse;
use async_imap::imap_proto::SectionPath;
use async_imap::{Client, Session};
use futures::TryStreamExt;
use std::{collections::HashSet, env, error::Error, time::Duration};
use tokio::net::TcpStream;

type Outcome<T> = Result<T, Box<dyn Error>>;

async fn open() -> Outcome<Session<TcpStream>> {
    let port: u16 = env::var("PORT")?.parse()?;
    let mut client = Client::new(TcpStream::connect(("localhost", port)).await?);
    client.read_response().await?.ok_or("no greeting")?;
    Ok(client.login(env::var("MAILUSER")?, env::var("MAILPASS")?).await.map_err(|(e, _)| e)?)
}

async fn append(session: &mut Session<TcpStream>, folder: &str, subject: &str) -> Outcome<()> {
    let message = format!("Subject: {subject}\r\n\r\nbody\r\n");
    Ok(session.append(folder, Some("(\\Seen)"), None, message).await?)
}

async fn read(session: &mut Session<TcpStream>) -> Outcome<()> {
    let items =
        "(UID FLAGS ENVELOPE INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[2])";
    let fetched: Vec<_> = session.uid_fetch("5", items).await?.try_collect().await?;
    let five = fetched.first().ok_or("no fifth message")?;
    let subject = five.envelope().and_then(|e| e.subject.as_deref()).ok_or("no subject")?;
    assert!(subject.starts_with(b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="));
    assert_eq!(five.size.map(|size| size as usize), five.body().map(<[u8]>::len));
    assert!(five.bodystructure().is_some() && five.internal_date().is_some());
    let part = five.section(&SectionPath::Part(vec![2], None)).ok_or("no part 2")?;
    assert_eq!(part.trim_ascii(), b"AAECAwQF");
    Ok(())
}

async fn mark(session: &mut Session<TcpStream>, uids: &str, flag: &str) -> Outcome<()> {
    let updates = session.uid_store(uids, format!("+FLAGS ({flag})")).await?;
    updates.try_collect::<Vec<_>>().await?;
    Ok(())
}

async fn wait(session: Session<TcpStream>) -> Outcome<Session<TcpStream>> {
    let mut idle = session.idle();
    idle.init().await?;
    let mut other = open().await?;
    append(&mut other, "INBOX", "news").await?;
    other.logout().await?;
    let (told, _stop) = idle.wait_with_timeout(Duration::from_secs(20));
    assert!(matches!(told.await?, IdleResponse::NewData(_)), "IDLE told nothing");
    Ok(idle.done().await?)
}

/// The eighth goes to Work; and what Delta Chat wants to know of the server, and tells it.
async fn file(session: &mut Session<TcpStream>) -> Outcome<()> {
    if !session.capabilities().await?.has_str("MOVE") {
        session.uid_copy("8", "INBOX.Work").await?;
        mark(session, "8", "\\Deleted").await?;
        session.uid_expunge("8").await?.try_collect::<Vec<_>>().await?;
        return Ok(());
    }
    session.uid_mv("8", "INBOX.Work").await?;
    // What has changed since, where the server keeps that: the first of Work is read.
    let highest = session.select_condstore("INBOX.Work").await?.highest_modseq.ok_or("no modseq")?;
    mark(session, "1", "\\Seen").await?;
    let since = format!("(FLAGS) (CHANGEDSINCE {highest})");
    let changed = session.uid_fetch("1:*", since).await?.try_collect::<Vec<_>>().await?;
    assert_eq!(changed.iter().map(|m| m.uid).collect::<Vec<_>>(), [Some(1)]);
    assert!(changed[0].modseq > Some(highest));
    session.select("INBOX").await?;
    let server = session.id([("name", Some("Delta Chat"))]).await?.ok_or("no ID")?;
    assert!(server.contains_key("name"));
    session.get_metadata("", "", "(/shared/comment /shared/admin)").await?;
    // The first is Delta Chat's; in an answer the crate takes the entries of the RFC alone.
    let notes = r#"SETMETADATA INBOX (/private/devicetoken "secret" /private/comment "paid")"#;
    session.run_command_and_check_ok(notes).await?;
    let found = session.get_metadata("INBOX", "", "/private/comment").await?;
    assert_eq!(found.first().and_then(|note| note.value.as_deref()), Some("paid"));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut session = open().await?;
    assert!(session.capabilities().await?.has_str("UIDPLUS"));
    let names: Vec<_> = session.list(None, Some("*")).await?.try_collect().await?;
    assert!(names.iter().any(|name| name.name() == "INBOX.Work"));
    assert_eq!(session.select("INBOX").await?.exists, 20);
    assert_eq!(session.uid_search("SUBJECT \"message 7\"").await?, HashSet::from([7]));
    read(&mut session).await?;
    mark(&mut session, "6:7", "\\Flagged").await?;
    assert_eq!(session.uid_search("FLAGGED").await?, HashSet::from([6, 7]));
    session.create("INBOX.Made").await?;
    session.rename("INBOX.Made", "INBOX.Filed").await?;
    session.subscribe("INBOX.Filed").await?;
    session.uid_copy("7", "INBOX.Filed").await?;
    file(&mut session).await?;
    mark(&mut session, "9", "\\Deleted").await?;
    session.expunge().await?.try_collect::<Vec<_>>().await?;
    append(&mut session, "INBOX.Work", "appended").await?;
    assert_eq!(session.status("INBOX.Work", "(MESSAGES)").await?.exists, 12);
    session.get_quota_root("INBOX").await?;
    session = wait(session).await?;
    session.create("INBOX.Gone").await?;
    session.delete("INBOX.Gone").await?;
    session.close().await?;
    session.logout().await?;
    println!("async-imap: all is well");
    Ok(())
}
