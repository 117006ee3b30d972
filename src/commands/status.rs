//! STATUS (PROTOCOL 4.4): a folder's figures, without opening it and without changing anything.

use super::Call;
use super::args::Mailbox;
use crate::maildir::status;
use crate::response::folders::Status;
use crate::session::{Error, Outcome, Result, Selected, Session};
use crate::types::Flags;
use crate::wire::Token;

/// The items, in the order of the answer.
const ITEMS: [&str; 5] = ["MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"];

/// The folder and which of the items are asked for.
pub(crate) struct Question {
    mailbox: Mailbox,
    asked: [bool; 5],
}

/// `mailbox SP "(" status-att *(SP status-att) ")"`; one without parentheses and unknown ones are
/// tolerated (Courier).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<Question> {
    let mailbox = Mailbox::parse(s)?;
    let mut asked = [false; 5];
    let mut ask = |token: &Token| -> Result<()> {
        let word = token.word().ok_or(Error::Syntax)?;
        if token.number().is_some() {
            return Err(Error::Syntax);
        }
        if let Some(slot) =
            ITEMS.iter().position(|i| i.as_bytes() == word).and_then(|i| asked.get_mut(i))
        {
            *slot = true;
        }
        Ok(())
    };
    match s.io.token()? {
        Token::Open => loop {
            match s.io.token()? {
                Token::Close => break,
                token => ask(&token)?,
            }
        },
        token => ask(&token)?,
    }
    s.io.end_of_line()?;
    Ok(Question { mailbox, asked })
}

fn of_selected(selected: &Selected) -> [u64; 5] {
    let messages = &selected.snapshot.messages;
    let unseen = (0..messages.len()).filter(|i| !messages.flags(*i).contains(Flags::SEEN)).count();
    [
        messages.len() as u64,
        selected.recent() as u64,
        u64::from(selected.snapshot.uid_next),
        u64::from(selected.snapshot.uid_validity.get()),
        unseen as u64,
    ]
}

/// Sends the figures. Of the open folder these are the ones that the client knows already.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, question: Question) -> Result<Outcome> {
    let folder = s.locate(question.mailbox.name(s))?;
    s.require(&folder.name, b'r', "STATUS")?;
    let figures = match &s.selected {
        Some(selected) if selected.folder.name == folder.name => of_selected(selected),
        _ => {
            let failed = |e| s.folder_error(&folder, e, "[ALERT] STATUS failed");
            let dir = folder.enter_afresh().map_err(failed)?;
            s.synchronise(&dir)?;
            let status = status::read(&s.store, &dir).map_err(failed)?;
            [
                status.messages as u64,
                status.recent as u64,
                u64::from(status.uid_next),
                u64::from(status.uid_validity.get()),
                status.unseen as u64,
            ]
        }
    };
    let asked = ITEMS.into_iter().zip(figures).zip(question.asked);
    let figures: Vec<_> = asked.filter_map(|(figure, asked)| asked.then_some(figure)).collect();
    s.send(&Status { name: &question.mailbox.shown, figures: &figures });
    Ok(Outcome::ok("STATUS Completed."))
}
