//! Telling a client that its command is still at work (RFC 9585).

use super::Session;
use crate::response::{self, session::InProgress};
use crate::sys::breath::{self, AtWork, Interrupted};
use crate::wire::{End, Io};

impl Session {
    /// From now on, and until what is returned is dropped, the client is told now and then that the
    /// command of this tag is at work ([`crate::sys::breath`]).
    pub(crate) fn tell_progress(&self, tag: &[u8]) -> AtWork {
        let (mut io, tag) = (self.io.aside(), tag.to_vec());
        AtWork::begin(Box::new(move |progress| {
            let items = progress.map(|progress| (progress.done, progress.total));
            tell(&mut io, &InProgress { tag: &tag, items }).map_err(|end| match end {
                End::Signal => Interrupted::Signal,
                _ => Interrupted::HungUp,
            })
        }))
    }
}

/// Says it, where something can be said now.
fn tell(io: &mut Io, progress: &InProgress<'_>) -> Result<(), End> {
    if !io.can_speak_aside()? {
        return Ok(());
    }
    response::send(io, false, progress);
    breath::has_told();
    io.flush_aside()
}
