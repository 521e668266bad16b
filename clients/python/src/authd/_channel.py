"""A connection to the daemon: a Unix socket, on Windows a named pipe."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import sys
from collections.abc import Iterator
from typing import Callable, Optional, Protocol, TypeVar

from .errors import HINT, NoDaemonError

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class Channel(Protocol):
    """What is used of a socket."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, timeout: Optional[float], /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


def connect(path: Optional[str]) -> Channel:
    """Connects to the daemon. Raises NoDaemonError if nobody of ours answers."""
    with _reaching(path) as where:
        if sys.platform == "win32":
            from ._pipe import Pipe

            return Pipe(where)
        from . import _socket

        return _socket.connect(where)


async def attach(factory: Callable[[], _Protocol], path: Optional[str]) -> _Protocol:
    """The same for an event loop."""
    with _reaching(path) as where:
        if sys.platform == "win32":
            from ._async_pipe import attach_pipe

            return await attach_pipe(factory, where)
        from . import _socket

        loop = asyncio.get_running_loop()
        return (await loop.create_unix_connection(factory, sock=_socket.connect(where)))[1]


def is_readable(channel: Channel) -> bool:
    """True if a read would not wait."""
    if sys.platform == "win32":
        from ._pipe import Pipe

        return isinstance(channel, Pipe) and channel.is_readable
    if not isinstance(channel, socket.socket):
        return False
    # Not select(2), which knows the first 1024 files of a process only.
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(0))


def send_now(channel: Channel, data: bytes) -> int:
    """Sends what there is room for at once; returns how many bytes that were. Raises OSError."""
    if sys.platform == "win32" or not isinstance(channel, socket.socket):
        return 0
    try:
        return channel.send(data, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0


@contextlib.contextmanager
def _reaching(path: Optional[str]) -> Iterator[str]:
    where = path or _default_path()
    try:
        yield where
    except NoDaemonError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
        raise NoDaemonError(f"No daemon answers on {where} ({why}). {HINT}") from error


def _default_path() -> str:
    if sys.platform == "win32":
        from ._pipe import default_path

        return default_path()
    from . import _socket

    return _socket.default_path()
