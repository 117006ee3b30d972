//! Bytes as people read them, and the searches that all clients need.

/// A line made readable: bytes that a text file cannot show are written `%{x..}`.
pub fn show(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && c != '\t' {
                let mut buffer = [0; 4];
                out.push_str(&hex(c.encode_utf8(&mut buffer).as_bytes()));
            } else {
                out.push(c);
            }
        }
        if !chunk.invalid().is_empty() {
            out.push_str(&hex(chunk.invalid()));
        }
    }
    let trimmed = out.trim_end_matches([' ', '\t']).len();
    if trimmed < out.len() {
        let tail: String = out[trimmed..]
            .bytes()
            .map(|b| if b == b' ' { "%{sp}".to_owned() } else { hex(&[b]) })
            .collect();
        out.truncate(trimmed);
        out.push_str(&tail);
    }
    out
}

/// `%{x0d0a}`.
fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("%{{x{digits}}}")
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// The lines of a response, literals cut into lines as well.
pub fn split_crlf(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(at) = find(bytes, b"\r\n") {
        lines.push(&bytes[..at]);
        bytes = &bytes[at + 2..];
    }
    lines.push(bytes);
    lines
}
