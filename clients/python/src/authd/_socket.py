"""Where the daemon listens on a Unix socket, and a connection to it that is nobody else's."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

from .errors import HINT, NoDaemonError

assert sys.platform != "win32"


def default_path() -> str:
    """Returns where a client looks for the daemon. A service's socket counts without XDG_RUNTIME_DIR."""
    told = os.environ.get("AUTHD_SOCKET")
    if told:
        return told
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return f"{runtime}/authd/authd.sock"
    own = str(_state_dir() / "authd.sock")
    service = f"/run/user/{os.geteuid()}/authd/authd.sock"
    return service if _bound_at(service) > _bound_at(own) else own


def _state_dir() -> Path:
    told = os.environ.get("AUTHD_STATE_DIR")
    if told:
        return Path(told)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "authd"
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "authd"


def _bound_at(path: str) -> float:
    """Of two sockets the newer one counts: a daemon that was killed leaves its own behind."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def connect(path: str) -> socket.socket:
    """Raises NoDaemonError if the socket is not ours, OSError if nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect_to_ours(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_ours(connection: socket.socket, path: str) -> None:
    """Between a look at a path and its use another socket may be put there: the file is held."""
    if not hasattr(os, "O_PATH") or not os.path.exists("/proc/self/fd"):
        real = os.path.realpath(path)
        _refuse_impostor(path, real, os.stat(real))
        connection.connect(real)
        return
    held = os.open(path, os.O_PATH)
    try:
        _refuse_impostor(path, os.readlink(f"/proc/self/fd/{held}"), os.fstat(held))
        connection.connect(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


def _refuse_impostor(path: str, real: str, found: os.stat_result) -> None:
    """Whoever owns the socket sees what is sent: that must be us, root, or whom root has put there."""
    if not stat.S_ISSOCK(found.st_mode):
        raise NoDaemonError(f"{path} is not a socket. {HINT}")
    if found.st_uid in (os.geteuid(), 0) or _is_of_root(Path(real), found.st_uid):
        return
    raise NoDaemonError(
        f"The socket {path} belongs to user {found.st_uid}, not to you ({os.geteuid()}): "
        f"nothing was sent. {HINT}"
    )


def _is_of_root(path: Path, owner: int) -> bool:
    """True if only root can have made this place: all folders are root's, the last may be the owner's."""
    for here in path.parents:
        found = os.lstat(here)
        if found.st_uid != 0 and not (here == path.parent and found.st_uid == owner):
            return False
        if found.st_mode & 0o022:
            return False
    return True
