//! What the clones of a client share, in each process.

use super::cancellation::Cancellation;
use super::channel::Channel;
use super::subscription::{Listener, Notification, Watch};
use crate::error::{Error, Reason};
use crate::json::Json;
use crate::socket;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// Between tries to get a lost subscription back.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub path: PathBuf,
    is_closed: AtomicBool,
    first: Generation,
}

/// What belongs to one process. Threads do not come along into a child of fork(2), and locks may be held by those that
/// did not; so a child begins anew, and leaves what is its parent's as it is.
struct Generation {
    pid: u32,
    links: Mutex<Links>,
    next: OnceLock<Box<Generation>>,
}

#[derive(Default)]
struct Links {
    channel: Option<Arc<Channel>>,
    /// What to subscribe to again on a new connection.
    watched: Vec<Watch>,
    listeners: Vec<(u64, Listener)>,
    last_key: u64,
    /// Takes back what has a connection of its own.
    closing: Cancellation,
}

impl Shared {
    pub fn new(path: PathBuf) -> Arc<Shared> {
        Arc::new(Shared { path, is_closed: AtomicBool::new(false), first: Generation::new(process::id()) })
    }

    /// Returns the connection, a new one if there is none. Subscriptions of before are asked for again on it.
    pub fn connected(self: &Arc<Shared>) -> Result<Arc<Channel>, Error> {
        let mut links = self.links();
        self.assert_open()?;
        if let Some(channel) = links.channel.as_ref().filter(|each| each.is_open()) {
            return Ok(Arc::clone(channel));
        }
        let channel = Channel::start(socket::connect(&self.path)?, Arc::downgrade(self))?;
        for watch in &links.watched {
            channel.send("subscribe", &watch.params())?;
        }
        links.channel = Some(Arc::clone(&channel));
        Ok(channel)
    }

    pub fn assert_open(&self) -> Result<(), Error> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        Ok(())
    }

    /// Ends the connection, and what has one of its own.
    pub fn close(&self) {
        let closing = self.closing();
        self.end();
        closing.cancel();
    }

    /// What [`Shared::close`] cancels.
    pub fn closing(&self) -> Cancellation {
        self.links().closing.clone()
    }

    /// Ends the connection.
    fn end(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let links = {
            let mut links = self.links();
            let closing = links.closing.clone();
            std::mem::replace(&mut *links, Links { closing, ..Links::default() })
        };
        if let Some(channel) = links.channel {
            channel.close(&closed());
        }
    }

    /// Has notifications go to `listener`, until `unlisten` with the key that is returned.
    pub fn listen(&self, listener: Listener) -> u64 {
        let mut links = self.links();
        links.last_key += 1;
        let key = links.last_key;
        links.listeners.push((key, listener));
        key
    }

    /// Lets go of a listener.
    pub fn unlisten(&self, key: u64) {
        self.links().listeners.retain(|(each, _)| *each != key);
    }

    /// Remembers what the daemon has agreed to on a connection; fails if that has ended meanwhile, as the next one
    /// knows nothing of it.
    pub fn watch(&self, watch: &Watch, on: &Arc<Channel>) -> Result<(), Error> {
        let mut links = self.links();
        if !on.is_open() {
            return Err(Error::connection_lost());
        }
        links.watched.retain(|each| each != watch);
        links.watched.push(watch.clone());
        Ok(())
    }

    /// Forgets the subscriptions for one credential, or without a name all of them.
    pub fn forget(&self, credential: Option<&str>) {
        self.links().watched.retain(|each| credential.is_some() && each.credential.as_deref() != credential);
    }

    /// Hands a notification to those who wait for it.
    pub fn tell(&self, name: &str, params: &Json) {
        self.links().listeners.retain(|(_, listener)| {
            let notification = Notification { name: name.to_string(), params: params.clone() };
            !listener.wants(params) || listener.tell(notification)
        });
    }

    /// Called when a connection has ended: a program that waits for notifications makes no calls that would open it
    /// again.
    pub fn lost(owner: &Weak<Shared>) {
        while let Some(shared) = owner.upgrade() {
            if shared.assert_open().is_err() || !shared.is_waited_for() {
                return;
            }
            drop(shared);
            thread::sleep(RECONNECT_PAUSE);
            if owner.upgrade().is_none_or(|shared| shared.connected().is_ok()) {
                return;
            }
        }
    }

    fn is_waited_for(&self) -> bool {
        !self.links().watched.is_empty()
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        let pid = process::id();
        let mut own = &self.first;
        while own.pid != pid {
            own = own.next.get_or_init(|| Box::new(Generation::new(pid)));
        }
        own.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    /// A streamed answer may outlive the client.
    fn drop(&mut self) {
        self.end();
    }
}

impl Generation {
    fn new(pid: u32) -> Generation {
        Generation { pid, links: Mutex::default(), next: OnceLock::new() }
    }
}

fn closed() -> Error {
    Error::new(Reason::Cancelled, "This client has been closed.")
}
