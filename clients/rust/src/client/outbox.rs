//! Lines that are written, or wait to be.

use crate::socket::Stream;
use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Any thread may put lines in. What the socket has room for goes at once, so that a call costs no other thread;
/// what it has none for is taken out by one thread, in its order: nobody who puts a line in waits.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    /// True while what was taken out is being written.
    is_writing: bool,
    lines: VecDeque<(u64, Vec<u8>)>,
}

/// In place of a request's number: a line that has begun to be written.
const BEGUN: u64 = 0;

impl Outbox {
    /// Sends a line about a request, or adds it to what waits. Once this is closed it is thrown away.
    pub fn put(&self, stream: &Stream, id: u64, line: String) -> io::Result<()> {
        let mut state = self.lock();
        if state.is_closed {
            return Ok(());
        }
        let mut line = line.into_bytes();
        let is_free = state.lines.is_empty() && !state.is_writing;
        let sent = if is_free { send_now(stream, &line)? } else { 0 };
        if sent < line.len() {
            line.drain(..sent);
            state.lines.push_back((if sent == 0 { id } else { BEGUN }, line));
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Removes the line of a request; false if it has begun to be written before.
    pub fn withdraw(&self, id: u64) -> bool {
        let lines = &mut self.lock().lines;
        let at = lines.iter().position(|(each, _)| *each == id);
        at.and_then(|at| lines.remove(at)).is_some()
    }

    /// Waits for a line, and has all others wait until the next call; `None` once this is closed.
    pub fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        state.is_writing = false;
        loop {
            if state.is_closed {
                return None;
            }
            if let Some((_, line)) = state.lines.pop_front() {
                state.is_writing = true;
                return Some(line);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Throws away what waits, and ends the writer.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.lines.clear();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A named pipe can't be asked what it has room for.
#[cfg(windows)]
fn send_now(_: &Stream, _: &[u8]) -> io::Result<usize> {
    Ok(0)
}

/// Sends what the socket has room for at once, and returns how many bytes that were.
#[cfg(unix)]
fn send_now(stream: &Stream, bytes: &[u8]) -> io::Result<usize> {
    use std::io::ErrorKind;
    use std::os::fd::AsRawFd;
    extern "C" {
        fn send(fd: i32, bytes: *const u8, length: usize, flags: i32) -> isize;
    }
    let Some(flags) = AT_ONCE else {
        return Ok(0);
    };
    // SAFETY: send(2) reads as many bytes as the slice has.
    let sent = unsafe { send(stream.as_raw_fd(), bytes.as_ptr(), bytes.len(), flags) };
    usize::try_from(sent).or_else(|_| {
        let error = io::Error::last_os_error();
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        }
    })
}

/// Flags of send(2) to wait for nothing and raise no signal; on macOS the standard library sees to the signal.
#[cfg(unix)]
const AT_ONCE: Option<i32> = if cfg!(target_os = "linux") {
    Some(0x40 | 0x4000)
} else if cfg!(target_os = "macos") {
    Some(0x80)
} else {
    None
};

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_there_is_no_room_for_waits_in_its_order() {
        let (mut near, mut far) = Stream::pair().unwrap();
        let outbox = Outbox::default();
        let large = "x".repeat(4 << 20);
        for (id, line) in [(1, "a"), (2, &large), (3, "b"), (4, "c")] {
            outbox.put(&near, id, line.to_string()).unwrap();
        }
        assert!(!outbox.withdraw(1) && !outbox.withdraw(2) && outbox.withdraw(3));
        let mut came = vec![0; large.len() + 2];
        std::thread::scope(|scope| {
            scope.spawn(|| far.read_exact(&mut came).unwrap());
            for _ in 0..2 {
                near.write_all(&outbox.take().unwrap()).unwrap();
            }
        });
        assert_eq!(String::from_utf8(came).unwrap(), format!("a{large}c"));
        // While the last line may still be written, nothing overtakes it.
        outbox.put(&near, 5, "d".to_string()).unwrap();
        assert!(outbox.withdraw(5));
        outbox.close();
        assert_eq!(outbox.take(), None);
    }
}
