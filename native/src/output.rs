//! Standard output, and files in its place.

use crate::report::say;
use std::io::{stdout, Error, ErrorKind, Write};
#[cfg(unix)]
use std::process::exit;

/// Prints a line. Returns the exit code: the reader of a pipe that has left has what it wanted.
pub fn print(text: &str) -> i32 {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("authd: standard output can't be written to ({})\n", name_of_error(&error)));
            1
        }
        _ => 0,
    }
}

/// Writes a part of a body. Ends this program if nobody reads any more, or it can't be written.
#[cfg(unix)]
pub fn write_body(bytes: &[u8]) {
    let mut out = stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
        if error.kind() == ErrorKind::BrokenPipe {
            exit(0);
        }
        say(&format!("authd: standard output can't be written to ({})\n", name_of_error(&error)));
        exit(1);
    }
}

/// What of errors of files is told by name and by word, as Node does it.
const ERRORS: &[(i32, &str, &str)] = &[
    (2, "ENOENT", "no such file or directory"),
    (5, "EIO", "i/o error"),
    (13, "EACCES", "permission denied"),
    (20, "ENOTDIR", "not a directory"),
    (21, "EISDIR", "illegal operation on a directory"),
    (24, "EMFILE", "too many open files"),
    (27, "EFBIG", "file too large"),
    (28, "ENOSPC", "no space left on device"),
    (30, "EROFS", "read-only file system"),
];

fn known(error: &Error) -> Option<&'static (i32, &'static str, &'static str)> {
    let code = error.raw_os_error()?;
    ERRORS.iter().find(|(each, _, _)| *each == code)
}

/// Returns the error's name as the system's manual has it.
pub fn name_of_error(error: &Error) -> String {
    known(error).map_or_else(|| error.to_string(), |(_, name, _)| name.to_string())
}

/// Returns the error's name and its words; `call` is the system's call.
#[cfg(unix)]
pub fn words_of_error(error: &Error, call: &str) -> String {
    known(error).map_or_else(|| error.to_string(), |(_, name, words)| format!("{name}: {words}, {call}"))
}
