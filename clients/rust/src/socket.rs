//! Where the daemon's socket is, and whether what stands there may be talked to.

use crate::error::{Error, ErrorKind};
use std::env;
use std::path::PathBuf;

#[cfg(unix)]
pub(crate) type Stream = std::os::unix::net::UnixStream;
#[cfg(windows)]
pub(crate) type Stream = std::fs::File;

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `AUTHD_SOCKET`, else the default of this platform, as docs/protocol.md lists them.
#[cfg(unix)]
pub fn default_socket_path() -> PathBuf {
    if let Some(path) = variable("AUTHD_SOCKET") {
        return absolute(PathBuf::from(path));
    }
    let runtime = variable("XDG_RUNTIME_DIR").filter(|path| path.starts_with('/'));
    let folder = match runtime {
        Some(runtime) => PathBuf::from(runtime).join("authd"),
        None => state_dir(),
    };
    folder.join("authd.sock")
}

#[cfg(unix)]
fn state_dir() -> PathBuf {
    if let Some(path) = variable("AUTHD_STATE_DIR") {
        return absolute(PathBuf::from(path));
    }
    if let Some(state) = variable("XDG_STATE_HOME").filter(|path| path.starts_with('/')) {
        return PathBuf::from(state).join("authd");
    }
    let home = PathBuf::from(variable("HOME").unwrap_or_else(|| "/".to_string()));
    let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
    home.join(below).join("authd")
}

#[cfg(unix)]
fn absolute(path: PathBuf) -> PathBuf {
    if path.is_absolute() { path } else { env::current_dir().unwrap_or_default().join(path) }
}

#[cfg(windows)]
pub fn default_socket_path() -> PathBuf {
    const PIPE: &str = r"\\.\pipe\";
    match variable("AUTHD_SOCKET") {
        Some(path) if path.starts_with(PIPE) => PathBuf::from(path),
        Some(path) => PathBuf::from(format!("{PIPE}{}", path.replace(['/', '\\', ':'], "-"))),
        None => PathBuf::from(format!("{PIPE}authd-{}", variable("USERNAME").unwrap_or_default())),
    }
}

/// Tells how to reach a daemon; cron, su and the like leave out `XDG_RUNTIME_DIR`.
fn hint() -> String {
    let usual = "Start authd with `authd serve`, or name its socket in AUTHD_SOCKET.";
    #[cfg(target_os = "linux")]
    if variable("AUTHD_SOCKET").is_none() && variable("XDG_RUNTIME_DIR").is_none() {
        let folder = format!("/run/user/{}", unix::own_uid());
        return format!(
            "{usual} If it runs as a service: XDG_RUNTIME_DIR is not set here (as in cron); set it to {folder}."
        );
    }
    usual.to_string()
}

fn no_daemon(path: &std::path::Path, cause: &std::io::Error) -> Error {
    let code = match cause.kind() {
        std::io::ErrorKind::NotFound => "ENOENT".to_string(),
        std::io::ErrorKind::ConnectionRefused => "ECONNREFUSED".to_string(),
        std::io::ErrorKind::PermissionDenied => "EACCES".to_string(),
        _ => cause.to_string(),
    };
    let message = format!("No daemon answers on {} ({code}). {}", path.display(), hint());
    Error::new(ErrorKind::NoDaemon, message)
}

#[cfg(windows)]
pub(crate) fn connect(path: &std::path::Path) -> Result<Stream, Error> {
    std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(|cause| no_daemon(path, &cause))
}

#[cfg(unix)]
pub(crate) fn connect(path: &std::path::Path) -> Result<Stream, Error> {
    unix::connect(path)
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    use std::path::Path;
    use std::thread::sleep;
    use std::time::Duration;

    /// Tries, and the pause between them, while too many others wait to be accepted.
    const CONNECT_TRIES: u32 = 50;
    const CONNECT_PAUSE: Duration = Duration::from_millis(20);

    extern "C" {
        fn geteuid() -> u32;
    }

    pub(super) fn own_uid() -> u32 {
        // SAFETY: geteuid(2) takes nothing and can't fail.
        unsafe { geteuid() }
    }

    /// Whoever owns the socket sees what is sent to it: it must be this user's or root's, or a daemon for
    /// several users in a place that root has made for it. On Linux the very file that was looked at
    /// is connected to, whatever is put in its place meanwhile.
    pub(super) fn connect(path: &Path) -> Result<Stream, Error> {
        #[cfg(target_os = "linux")]
        if Path::new("/proc/self/fd").exists() {
            use std::os::fd::AsRawFd;
            use std::os::unix::fs::OpenOptionsExt;
            const O_PATH: i32 = 0o10000000;
            let held = fs::OpenOptions::new().read(true).custom_flags(O_PATH).open(path);
            let held = held.map_err(|cause| no_daemon(path, &cause))?;
            let link = format!("/proc/self/fd/{}", held.as_raw_fd());
            let found = held.metadata().map_err(|cause| no_daemon(path, &cause))?;
            refuse_impostor(path, &found, || fs::read_link(&link))?;
            return dial(path, Path::new(&link));
        }
        let real = fs::canonicalize(path).map_err(|cause| no_daemon(path, &cause))?;
        let found = fs::metadata(&real).map_err(|cause| no_daemon(path, &cause))?;
        refuse_impostor(path, &found, || Ok(real.clone()))?;
        dial(path, &real)
    }

    fn dial(named: &Path, path: &Path) -> Result<Stream, Error> {
        let mut tries = 1;
        loop {
            match Stream::connect(path) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock && tries < CONNECT_TRIES => {
                    tries += 1;
                    sleep(CONNECT_PAUSE);
                }
                other => return other.map_err(|cause| no_daemon(named, &cause)),
            }
        }
    }

    fn refuse_impostor(
        path: &Path,
        found: &fs::Metadata,
        real_path: impl Fn() -> io::Result<PathBuf>,
    ) -> Result<(), Error> {
        let refused = |what: String| Err(Error::new(ErrorKind::NoDaemon, format!("{what} {}", hint())));
        if !found.file_type().is_socket() {
            return refused(format!("{} is not a socket.", path.display()));
        }
        let (own, uid) = (own_uid(), found.uid());
        if uid == own || uid == 0 {
            return Ok(());
        }
        let reason = real_path().and_then(|real| untrusted_path_reason(&real, uid));
        match reason.unwrap_or_else(|cause| Some(format!("its folder can't be looked at: {cause}"))) {
            None => Ok(()),
            Some(reason) => refused(format!(
                "The socket {} belongs to user {uid}, not to you ({own}), and {reason}: nothing was sent.",
                path.display()
            )),
        }
    }

    /// Why an ordinary user could have put what stands at `path`: its folder must be its owner's or root's,
    /// all above it root's, and none of them open to others for writing.
    fn untrusted_path_reason(path: &Path, owner: u32) -> io::Result<Option<String>> {
        let folder = path.parent();
        let mut next = folder;
        while let Some(here) = next {
            let found = fs::symlink_metadata(here)?;
            let owned = found.uid() == 0 || (next == folder && found.uid() == owner);
            if !owned {
                return Ok(Some(format!("{} is user {}'s", here.display(), found.uid())));
            }
            if found.mode() & 0o022 != 0 {
                return Ok(Some(format!("others may write to {}", here.display())));
            }
            next = here.parent();
        }
        Ok(None)
    }
}
