//! Takes back a call that is under way in another thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes calls back: [`Client::with_cancellation`](crate::Client::with_cancellation) has calls heed it, and `cancel` of
/// any thread ends them with the reason `Cancelled`. Its clones are one and the same.
#[derive(Clone, Default)]
pub struct Cancellation {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cancelled: bool,
    last_key: u64,
    listeners: Vec<(u64, Box<dyn FnOnce() + Send>)>,
}

impl Cancellation {
    /// One that nobody has cancelled yet.
    pub fn new() -> Cancellation {
        Cancellation::default()
    }

    /// Ends the calls that heed it, those under way and all later ones.
    pub fn cancel(&self) {
        let listeners = {
            let mut state = self.lock();
            state.is_cancelled = true;
            std::mem::take(&mut state.listeners)
        };
        for (_, listener) in listeners {
            listener();
        }
    }

    /// True once it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    /// Calls `listener` once this is cancelled, at once if it is already, as long as what is returned lives.
    pub(crate) fn listen(&self, listener: impl FnOnce() + Send + 'static) -> Listening {
        let key = {
            let mut state = self.lock();
            state.last_key += 1;
            let key = state.last_key;
            if !state.is_cancelled {
                state.listeners.push((key, Box::new(listener)));
                return Listening { cancellation: self.clone(), key };
            }
            key
        };
        listener();
        Listening { cancellation: self.clone(), key }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellation").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// A listener, until this is dropped.
pub(crate) struct Listening {
    cancellation: Cancellation,
    key: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let forgotten = {
            let mut state = self.cancellation.lock();
            let at = state.listeners.iter().position(|(key, _)| *key == self.key);
            at.map(|at| state.listeners.swap_remove(at))
        };
        // What the listener holds is let go of without the lock.
        drop(forgotten);
    }
}
