//! Lines that wait to be written.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Any thread may put lines in; one takes them out, in their order.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    lines: VecDeque<(u64, String)>,
}

impl Outbox {
    /// Adds a line about a request. Once this is closed it is thrown away.
    pub fn put(&self, id: u64, line: String) {
        let mut state = self.lock();
        if !state.is_closed {
            state.lines.push_back((id, line));
            self.changed.notify_one();
        }
    }

    /// Removes the line of a request; false if that was taken before.
    pub fn withdraw(&self, id: u64) -> bool {
        let lines = &mut self.lock().lines;
        let at = lines.iter().position(|(each, _)| *each == id);
        at.and_then(|at| lines.remove(at)).is_some()
    }

    /// Waits for a line; `None` once this is closed.
    pub fn take(&self) -> Option<String> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some((_, line)) = state.lines.pop_front() {
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
