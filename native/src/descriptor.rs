//! File descriptors from which a program that takes this one's place reads tokens.

use std::ffi::{c_char, c_int, c_uint};
use std::fs::File;
use std::io::{Error, Result, Seek, Write};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Numbers that may be given; those below are the standard streams.
pub const DESCRIPTORS: RangeInclusive<i32> = 3..=255;

const F_DUPFD_CLOEXEC: c_int = 1030;
const MFD_CLOEXEC: c_uint = 1;

extern "C" {
    fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
}

/// Puts each content behind its number, in memory, to be read from the beginning.
pub fn put(contents: &[(i32, &[u8])]) -> Result<()> {
    let files = contents.iter().map(|(number, content)| Ok((*number, in_memory(content)?)));
    // All are open, above the numbers that are asked for, before the first of these is overwritten.
    for (number, file) in files.collect::<Result<Vec<_>>>()? {
        // SAFETY: dup2(2) takes two numbers; `number` is none that this program uses itself.
        if unsafe { dup2(file.as_raw_fd(), number) } == -1 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

fn in_memory(content: &[u8]) -> Result<OwnedFd> {
    // SAFETY: the name ends with a NUL; the descriptor is new, and nobody else's.
    let mut file = File::from(owned(unsafe { memfd_create(c"token".as_ptr(), MFD_CLOEXEC) })?);
    file.write_all(content)?;
    file.rewind()?;
    // SAFETY: fcntl(2) takes numbers and returns a new descriptor.
    owned(unsafe { fcntl(file.as_raw_fd(), F_DUPFD_CLOEXEC, DESCRIPTORS.end() + 1) })
}

fn owned(fd: c_int) -> Result<OwnedFd> {
    if fd == -1 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the system has just opened it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
