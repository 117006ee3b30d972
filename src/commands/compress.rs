//! COMPRESS (RFC 4978). The connection does the work ([`crate::wire`]), from the end of the tagged OK
//! on.

use super::Call;
use crate::session::{Code, Compression, Error, Outcome, Result, Session};

/// `algorithm`: one that is not known is BAD (RFC 4978 3).
pub(crate) fn parse(s: &mut Session, _: &Call<'_>) -> Result<()> {
    let algorithm = s.io.token()?;
    s.io.end_of_line()?;
    if algorithm.is("DEFLATE") { Ok(()) } else { Err(Error::Syntax) }
}

/// Has the connection compressed, unless it is.
pub(crate) fn run(s: &mut Session, _: &Call<'_>, (): ()) -> Result<Outcome> {
    if s.compression != Compression::Off {
        // RFC 4978 3: NO is for a compression by another layer.
        return Outcome::bad("DEFLATE is active.").with_code(Code::CompressionActive).refuse();
    }
    s.compression = Compression::Next;
    Ok(Outcome::ok("DEFLATE active."))
}
