//! The body that `authd request` sends: of arguments, files and standard input, in the rules of
//! `src/cli/request-body.ts`.

use super::source::{Piece, Source};
use authd::base64;
use authd::Json;
use std::fs::File;
use std::io::{self, Read};

/// Bytes of a body that the daemon takes in one message.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
/// Bytes of a message's JSON that a body may take: URL and headers are limited, too.
const MAX_ENCODED_BYTES: usize = 8 * 1024 * 1024 - 512 * 1024;
/// So much of a body that is not read whole tells its content type.
const BEGINNING_BYTES: usize = 1024;

const JSON_TYPE: &str = "application/json";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// A body, and the content type that it has unless one is given.
pub struct Body {
    pub source: Source,
    /// The member of a message that carries it; `None`: it goes in parts.
    pub member: Option<(&'static str, String)>,
    pub content_type: Option<&'static str>,
}

/// Returns the body of `-T`, which is sent as it is; `None` for a file that the Node command should complain of.
pub fn upload(path: &str) -> Option<Body> {
    let piece = if path == "-" { standard_input()? } else { open(path)? };
    Some(Body { source: Source::of(vec![piece]), member: None, content_type: None })
}

/// Returns the body of `-d`; several pieces make one form. `None` if the Node command should do it: standard input was
/// not read then.
pub fn data<'a>(all: impl Iterator<Item = &'a str>) -> Option<Body> {
    let mut pieces = Vec::new();
    for text in all {
        if !pieces.is_empty() {
            pieces.push(Piece::Bytes(b"&".to_vec()));
        }
        pieces.push(match text.strip_prefix('@') {
            None => Piece::Bytes(text.into()),
            Some("-") => standard_input()?,
            Some(path) => open(path)?,
        });
    }
    let mut read: Vec<Piece> = Vec::new();
    for piece in pieces {
        read.extend(read_ahead(piece).ok()?);
    }
    if let Some(whole) = whole(&read) {
        let content_type = Some(content_type(&whole));
        return Some(Body {
            member: member(&whole),
            content_type,
            source: Source::of(vec![Piece::Bytes(whole)]),
        });
    }
    let content_type = Some(type_by_beginning(&read));
    Some(Body { source: Source::of(read), member: None, content_type })
}

/// All of the pieces, if none of them is too long to be held.
fn whole(pieces: &[Piece]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => all.extend_from_slice(bytes),
            Piece::File { .. } => return None,
        }
    }
    Some(all)
}

/// Reads what fits into one message; of anything longer no more than tells its type.
fn read_ahead(piece: Piece) -> io::Result<Vec<Piece>> {
    let Piece::File { mut file, left } = piece else { return Ok(vec![piece]) };
    let is_long = left.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64);
    let most = if is_long { BEGINNING_BYTES } else { MAX_BODY_BYTES + 1 };
    let mut begun = Vec::new();
    let limit = left.map_or(most as u64, |bytes| bytes.min(most as u64));
    (&mut file).take(limit).read_to_end(&mut begun)?;
    if !is_long && begun.len() <= MAX_BODY_BYTES {
        return Ok(vec![Piece::Bytes(begun)]);
    }
    let left = left.map(|bytes| bytes - begun.len() as u64);
    Ok(vec![Piece::Bytes(begun), Piece::File { file, left }])
}

fn standard_input() -> Option<Piece> {
    use std::os::fd::AsFd;
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    // A folder can't be read, and the Node command says so.
    let about = file.metadata().ok()?;
    (!about.is_dir()).then_some(Piece::File { file, left: None })
}

/// Of a regular file as many bytes as it has now, whatever is added to it meanwhile.
fn open(path: &str) -> Option<Piece> {
    let file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    if about.is_dir() {
        return None;
    }
    Some(Piece::File { left: about.is_file().then_some(about.len()), file })
}

/// Returns the member of a message that carries a body in the shorter of two ways; `None` if it is too long for one.
fn member(body: &[u8]) -> Option<(&'static str, String)> {
    if body.len() > MAX_BODY_BYTES {
        return None;
    }
    let base64_bytes = body.len().div_ceil(3) * 4;
    let text = std::str::from_utf8(body).ok();
    let text_bytes = text.map_or(usize::MAX, |text| Json::from(text).to_string().len() - 2);
    if text_bytes.min(base64_bytes) > MAX_ENCODED_BYTES {
        return None;
    }
    Some(match text {
        Some(text) if text_bytes <= base64_bytes => ("body", text.to_string()),
        _ => ("bodyBase64", base64::encode(body)),
    })
}

/// JSON if it parses as such, otherwise a form.
fn content_type(body: &[u8]) -> &'static str {
    match Json::parse(&String::from_utf8_lossy(body)) {
        Ok(_) => JSON_TYPE,
        // Deeper than this parser goes, and so JSON rather than a form.
        Err(why) if why.starts_with("nested") => JSON_TYPE,
        Err(_) => FORM_TYPE,
    }
}

/// Guesses the type of a body that is too long to be parsed.
fn type_by_beginning(pieces: &[Piece]) -> &'static str {
    let Some(Piece::Bytes(bytes)) = pieces.first() else { return FORM_TYPE };
    let beginning = &bytes[..bytes.len().min(BEGINNING_BYTES)];
    let first = beginning.iter().find(|byte| !matches!(byte, b' ' | 9..=13 | 0xa0));
    if matches!(first, Some(b'{' | b'[')) {
        JSON_TYPE
    } else {
        FORM_TYPE
    }
}
