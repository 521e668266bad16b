//! Standard output.

use crate::report::say;
use std::io::{stdout, Error, ErrorKind, Write};
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

/// Returns the error's name as the system's manual has it.
pub fn name_of_error(error: &Error) -> String {
    match error.raw_os_error() {
        Some(5) => "EIO".to_string(),
        Some(20) => "ENOTDIR".to_string(),
        Some(27) => "EFBIG".to_string(),
        Some(28) => "ENOSPC".to_string(),
        _ => error.to_string(),
    }
}
