//! Standard output.

use crate::report::say;
use std::io::{stdout, Error, ErrorKind, Write};

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
