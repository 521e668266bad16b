//! Where the daemon's socket is, and whether what stands there may be talked to.

use crate::error::{Error, Reason};
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
pub(crate) type Stream = std::os::unix::net::UnixStream;
#[cfg(windows)]
pub(crate) use crate::pipe::Pipe as Stream;

const HINT: &str = "Start authd with `authd serve`, or name its socket in AUTHD_SOCKET.";

/// An environment variable; `None` if it is empty, too.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns where a client looks for the daemon: `AUTHD_SOCKET`, else the default of this platform, as
/// docs/protocol.md lists them.
#[cfg(unix)]
pub fn default_socket_path() -> PathBuf {
    use unix::normalized;
    if let Some(path) = variable("AUTHD_SOCKET") {
        return normalized(Path::new(&path));
    }
    if let Some(folder) = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute()) {
        return normalized(&folder.join("authd/authd.sock"));
    }
    let path = normalized(&unix::state_dir().join("authd.sock"));
    unix::newer_service_socket(&path).unwrap_or(path)
}

#[cfg(windows)]
const PIPE: &str = r"\\.\pipe\";

/// Returns where a client looks for the daemon: `AUTHD_SOCKET`, else the pipe of this user.
#[cfg(windows)]
pub fn default_socket_path() -> PathBuf {
    let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
    match text("AUTHD_SOCKET") {
        Some(path) if path.starts_with(PIPE) => PathBuf::from(path),
        Some(path) => PathBuf::from(format!("{PIPE}{}", path.replace(['/', '\\', ':'], "-"))),
        None => PathBuf::from(format!("{PIPE}authd-{}", text("USERNAME").unwrap_or_default())),
    }
}

#[cfg(windows)]
pub(crate) fn connect(path: &Path) -> Result<Stream, Error> {
    if !path.to_string_lossy().starts_with(PIPE) {
        return Err(refused(format!("{} is no named pipe of this machine.", path.display())));
    }
    Stream::connect(path).unwrap_or_else(|cause| Err(no_daemon(path, &cause)))
}

#[cfg(unix)]
pub(crate) fn connect(path: &Path) -> Result<Stream, Error> {
    unix::connect(path)
}

fn no_daemon(path: &Path, cause: &io::Error) -> Error {
    let (shown, code) = (path.display(), error_code(cause));
    #[cfg(unix)]
    if code == "EACCES" {
        let own = unix::own_uid();
        let what = format!("You (user {own}) may not use the socket {shown}: it is another user's");
        return refused(format!("{what}, or in a folder of one ({code})."));
    }
    refused(format!("No daemon answers on {shown} ({code}){}.", also_looked_at()))
}

pub(crate) fn refused(what: String) -> Error {
    Error::new(Reason::NoDaemon, format!("{what} {HINT}"))
}

/// The name of an error as the system's manual has it.
fn error_code(cause: &io::Error) -> String {
    #[cfg(unix)]
    const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    let name = match cause.kind() {
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::WouldBlock => "EAGAIN",
        _ => match cause.raw_os_error() {
            #[cfg(unix)]
            Some(20) => "ENOTDIR",
            #[cfg(unix)]
            Some(ELOOP) => "ELOOP",
            _ => return cause.to_string(),
        },
    };
    name.to_string()
}

/// cron, su and the like leave out what says where a service's socket is: a client looks there all the same.
fn also_looked_at() -> String {
    #[cfg(target_os = "linux")]
    if variable("AUTHD_SOCKET").is_none() && variable("XDG_RUNTIME_DIR").is_none() {
        return format!(", nor a service's in /run/user/{}", unix::own_uid());
    }
    String::new()
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    use std::os::unix::io::AsRawFd;
    use std::path::Component;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    /// How long to try to connect, and the time between two tries, while too many others wait to be accepted.
    const CONNECT_LIMIT: Duration = Duration::from_secs(10);
    const CONNECT_PAUSE: Duration = Duration::from_millis(20);

    extern "C" {
        fn geteuid() -> u32;
    }

    pub(super) fn own_uid() -> u32 {
        // SAFETY: geteuid(2) takes nothing and can't fail.
        unsafe { geteuid() }
    }

    pub(super) fn state_dir() -> PathBuf {
        if let Some(path) = variable("AUTHD_STATE_DIR") {
            return PathBuf::from(path);
        }
        if let Some(state) = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
            return state.join("authd");
        }
        let home = PathBuf::from(variable("HOME").unwrap_or_else(|| "/".into()));
        let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
        home.join(below).join("authd")
    }

    /// Returns the path absolute and without `.` and `..`, by its text alone.
    pub(super) fn normalized(path: &Path) -> PathBuf {
        let mut whole = PathBuf::from("/");
        for part in env::current_dir().unwrap_or_default().join(path).components() {
            match part {
                Component::Normal(name) => whole.push(name),
                Component::ParentDir => drop(whole.pop()),
                _ => {}
            }
        }
        whole
    }

    /// Returns the socket of a service of the same user if it was bound later than `path`: of two sockets the
    /// newer one counts, as a vault has one daemon, and one that was killed leaves its socket behind.
    pub(super) fn newer_service_socket(path: &Path) -> Option<PathBuf> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let service = PathBuf::from(format!("/run/user/{}/authd/authd.sock", own_uid()));
        let bound_at = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
        (bound_at(&service)? > bound_at(path).unwrap_or(std::time::UNIX_EPOCH)).then_some(service)
    }

    /// Connects to a socket of this user, of root, or of a daemon for several users in a place that root has
    /// made for it: its owner sees what is sent. On Linux it connects to the very file that was looked at,
    /// whatever is put in its place meanwhile; elsewhere it asks the kernel who answers.
    pub(super) fn connect(path: &Path) -> Result<Stream, Error> {
        let failed = |cause: io::Error| no_daemon(path, &cause);
        #[cfg(target_os = "linux")]
        if Path::new("/proc/self/fd").exists() {
            use std::os::unix::fs::OpenOptionsExt;
            const O_PATH: i32 = 0o10000000;
            let held = fs::OpenOptions::new().read(true).custom_flags(O_PATH).open(path).map_err(failed)?;
            let link = format!("/proc/self/fd/{}", held.as_raw_fd());
            refuse_impostor(path, &held.metadata().map_err(failed)?, || fs::read_link(&link))?;
            return dial(Path::new(&link)).map_err(failed);
        }
        let real = fs::canonicalize(path).map_err(failed)?;
        refuse_impostor(path, &fs::metadata(&real).map_err(failed)?, || Ok(real.clone()))?;
        let stream = dial(&real).map_err(failed)?;
        refuse_other(path, peer_uid(&stream).map_err(failed)?, || Ok(real))?;
        Ok(stream)
    }

    fn dial(path: &Path) -> io::Result<Stream> {
        let started = Instant::now();
        loop {
            match Stream::connect(path) {
                Err(cause)
                    if cause.kind() == io::ErrorKind::WouldBlock && started.elapsed() < CONNECT_LIMIT =>
                {
                    sleep(CONNECT_PAUSE);
                }
                other => return other,
            }
        }
    }

    fn refuse_impostor(
        path: &Path,
        found: &fs::Metadata,
        real_path: impl FnOnce() -> io::Result<PathBuf>,
    ) -> Result<(), Error> {
        if !found.file_type().is_socket() {
            return Err(refused(format!("{} is not a socket.", path.display())));
        }
        refuse_other(path, found.uid(), real_path)
    }

    fn refuse_other(
        path: &Path,
        uid: u32,
        real_path: impl FnOnce() -> io::Result<PathBuf>,
    ) -> Result<(), Error> {
        let own = own_uid();
        if uid == own || uid == 0 {
            return Ok(());
        }
        let reason = real_path().and_then(|real| untrusted_path_reason(&real, uid));
        match reason.map_err(|cause| no_daemon(path, &cause))? {
            None => Ok(()),
            Some(why) => Err(refused(format!(
                "The socket {} belongs to user {uid}, not to you ({own}), and {why}: nothing was sent.",
                path.display()
            ))),
        }
    }

    /// Returns why an ordinary user could have put what stands at `path`: its folder must be its owner's or
    /// root's, all above it root's, and none of them open to others for writing.
    fn untrusted_path_reason(path: &Path, owner: u32) -> io::Result<Option<String>> {
        let folder = path.parent();
        let mut next = folder;
        while let Some(here) = next {
            let found = fs::symlink_metadata(here)?;
            if found.uid() != 0 && !(next == folder && found.uid() == owner) {
                return Ok(Some(format!("{} is user {}'s", here.display(), found.uid())));
            }
            if found.mode() & 0o022 != 0 {
                return Ok(Some(format!("others may write to {}", here.display())));
            }
            next = here.parent();
        }
        Ok(None)
    }

    /// Returns the user of the process that listens.
    #[cfg(target_os = "linux")]
    fn peer_uid(stream: &Stream) -> io::Result<u32> {
        const SOL_SOCKET: i32 = 1;
        const SO_PEERCRED: i32 = 17;
        extern "C" {
            fn getsockopt(fd: i32, level: i32, name: i32, value: *mut u32, length: *mut u32) -> i32;
        }
        // struct ucred: pid, uid, gid.
        let mut credentials = [0u32; 3];
        let mut length = 12;
        let fd = stream.as_raw_fd();
        // SAFETY: getsockopt(2) writes at most `length` bytes, which is the size of the array.
        let done = unsafe { getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials.as_mut_ptr(), &mut length) };
        if done == 0 {
            Ok(credentials[1])
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Returns the user of the process that listens.
    #[cfg(not(target_os = "linux"))]
    fn peer_uid(stream: &Stream) -> io::Result<u32> {
        extern "C" {
            fn getpeereid(fd: i32, uid: *mut u32, gid: *mut u32) -> i32;
        }
        let (mut uid, mut gid) = (0, 0);
        // SAFETY: getpeereid(3) writes one number to each of the two.
        let done = unsafe { getpeereid(stream.as_raw_fd(), &mut uid, &mut gid) };
        if done == 0 {
            Ok(uid)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn normalizes_by_text_alone() {
            for (given, path) in [("/a/./b//c", "/a/b/c"), ("/a/../../b/", "/b"), ("/", "/")] {
                assert_eq!(normalized(Path::new(given)), Path::new(path));
            }
            assert_eq!(normalized(Path::new("x/../y")), env::current_dir().unwrap().join("y"));
        }

        #[test]
        fn knows_who_listens() {
            let (one, _other) = Stream::pair().unwrap();
            assert_eq!(peer_uid(&one).unwrap(), own_uid());
        }
    }
}
