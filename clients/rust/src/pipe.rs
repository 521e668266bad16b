//! The daemon's named pipe on Windows, with what is used of a Unix socket: threads may read and write at the same time,
//! for as long as they want to.

mod owner;

use crate::error::Error;
use std::ffi::c_void;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

type Handle = *mut c_void;

const GENERIC_READ_WRITE: u32 = 0xC000_0000;
const OPEN_EXISTING: u32 = 3;
const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
/// SECURITY_SQOS_PRESENT with SECURITY_IDENTIFICATION: who listens may ask who we are, and not act as we.
const IDENTIFICATION: u32 = 0x0011_0000;
const ERROR_BROKEN_PIPE: i32 = 109;
const ERROR_PIPE_BUSY: i32 = 231;
const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
const ERROR_IO_PENDING: i32 = 997;
const INFINITE: u32 = u32::MAX;
const WAIT_OBJECT_0: u32 = 0;
const WAIT_TIMEOUT: u32 = 258;

/// How long to try to connect, and the time between two tries, while too many others wait to be accepted.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// OVERLAPPED.
#[repr(C)]
struct Overlapped {
    internal: [usize; 2],
    offset: u64,
    event: Handle,
}

extern "system" {
    fn CreateFileW(
        name: *const u16,
        access: u32,
        share: u32,
        security: *const c_void,
        how: u32,
        flags: u32,
        like: Handle,
    ) -> Handle;
    fn CreateEventW(security: *const c_void, manual: i32, set: i32, name: *const u16) -> Handle;
    fn SetEvent(event: Handle) -> i32;
    fn ReadFile(file: Handle, bytes: *mut u8, length: u32, read: *mut u32, operation: *mut Overlapped)
        -> i32;
    fn WriteFile(
        file: Handle,
        bytes: *const u8,
        length: u32,
        written: *mut u32,
        operation: *mut Overlapped,
    ) -> i32;
    fn WaitForMultipleObjects(count: u32, handles: *const Handle, all: i32, limit_ms: u32) -> u32;
    fn CancelIoEx(file: Handle, operation: *mut Overlapped) -> i32;
    fn GetOverlappedResult(file: Handle, operation: *mut Overlapped, moved: *mut u32, wait: i32) -> i32;
}

/// A connection; its clones are the same one.
pub(crate) struct Pipe(Arc<Shared>);

struct Shared {
    /// Whoever reads or writes holds it; `None` after a shutdown.
    handle: RwLock<Option<OwnedHandle>>,
    /// Is set by a shutdown.
    ended: OwnedHandle,
    read_limit_ms: AtomicU32,
    write_limit_ms: AtomicU32,
}

impl Pipe {
    /// Connects to a pipe of this user, the system or an administrator: its owner sees what is sent.
    pub fn connect(path: &Path) -> io::Result<Result<Pipe, Error>> {
        let handle = open(path)?;
        if let Err(refused) = owner::refuse_impostor(path, handle.as_raw_handle())? {
            return Ok(Err(refused));
        }
        Ok(Ok(Pipe(Arc::new(Shared {
            handle: RwLock::new(Some(handle)),
            ended: event()?,
            read_limit_ms: AtomicU32::new(INFINITE),
            write_limit_ms: AtomicU32::new(INFINITE),
        }))))
    }

    pub fn try_clone(&self) -> io::Result<Pipe> {
        Ok(Pipe(Arc::clone(&self.0)))
    }

    pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.read_limit_ms.store(milliseconds(limit), Ordering::Relaxed);
        Ok(())
    }

    pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.write_limit_ms.store(milliseconds(limit), Ordering::Relaxed);
        Ok(())
    }

    /// Ends it for all clones, and what they read and write.
    pub fn shutdown(&self, _how: Shutdown) -> io::Result<()> {
        // SAFETY: the event is open as long as `self`.
        unsafe { SetEvent(self.0.ended.as_raw_handle()) };
        drop(self.0.handle.write().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    }

    /// Starts an operation and waits for its end, the time limit, or a shutdown; returns how many bytes it moved.
    fn carry_out(
        &self,
        limit_ms: u32,
        start: impl FnOnce(Handle, *mut Overlapped) -> i32,
    ) -> io::Result<usize> {
        let held = self.0.handle.read().unwrap_or_else(PoisonError::into_inner);
        let Some(handle) = held.as_ref().map(AsRawHandle::as_raw_handle) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let done = event()?;
        let mut operation = Overlapped { internal: [0; 2], offset: 0, event: done.as_raw_handle() };
        let mut moved = 0;
        if start(handle, &mut operation) == 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(ERROR_IO_PENDING) {
                return Err(error);
            }
        }
        let events = [done.as_raw_handle(), self.0.ended.as_raw_handle()];
        // SAFETY: both events are open, and the operation stays in its place until GetOverlappedResult has seen its end.
        let (came, finished) = unsafe {
            let came = WaitForMultipleObjects(2, events.as_ptr(), 0, limit_ms);
            if came != WAIT_OBJECT_0 {
                CancelIoEx(handle, &mut operation);
            }
            (came, GetOverlappedResult(handle, &mut operation, &mut moved, 1))
        };
        match (finished, came) {
            (0, WAIT_OBJECT_0) => Err(io::Error::last_os_error()),
            (0, WAIT_TIMEOUT) => Err(ErrorKind::TimedOut.into()),
            (0, _) => Err(ErrorKind::BrokenPipe.into()),
            _ => Ok(moved as usize),
        }
    }
}

impl Read for &Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit_ms = self.0.read_limit_ms.load(Ordering::Relaxed);
        let length = buffer.len().min(1 << 20) as u32;
        // SAFETY: the buffer has so many bytes, and outlives the operation.
        let read = self.carry_out(limit_ms, |handle, operation| unsafe {
            ReadFile(handle, buffer.as_mut_ptr(), length, null_mut(), operation)
        });
        match read {
            Err(error) if is_end(&error) => Ok(0),
            other => other,
        }
    }
}

impl Write for &Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit_ms = self.0.write_limit_ms.load(Ordering::Relaxed);
        let length = bytes.len().min(1 << 20) as u32;
        // SAFETY: there are so many bytes, and they outlive the operation.
        self.carry_out(limit_ms, |handle, operation| unsafe {
            WriteFile(handle, bytes.as_ptr(), length, null_mut(), operation)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_end(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
        || matches!(error.raw_os_error(), Some(ERROR_BROKEN_PIPE | ERROR_PIPE_NOT_CONNECTED))
}

/// Of a limit that Windows can't count, there is none.
fn milliseconds(limit: Option<Duration>) -> u32 {
    limit.map_or(INFINITE, |limit| u32::try_from(limit.as_millis()).unwrap_or(INFINITE))
}

fn event() -> io::Result<OwnedHandle> {
    // SAFETY: CreateEventW reads nothing here.
    let event = unsafe { CreateEventW(null(), 1, 0, null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

fn open(path: &Path) -> io::Result<OwnedHandle> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let flags = FILE_FLAG_OVERLAPPED | IDENTIFICATION;
    let started = Instant::now();
    loop {
        // SAFETY: the name ends with a zero.
        let handle = unsafe {
            CreateFileW(name.as_ptr(), GENERIC_READ_WRITE, 0, null(), OPEN_EXISTING, flags, null_mut())
        };
        if handle as isize != -1 {
            // SAFETY: the handle is nobody else's.
            return Ok(unsafe { OwnedHandle::from_raw_handle(handle) });
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(ERROR_PIPE_BUSY) || started.elapsed() > CONNECT_LIMIT {
            return Err(error);
        }
        sleep(CONNECT_PAUSE);
    }
}
