"""The daemon's named pipe on Windows, used as a socket is: one thread may read while another writes."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
import threading
import time
from ctypes import c_ulong, c_void_p, c_wchar_p
from functools import partial
from typing import Callable, Optional

assert sys.platform == "win32"
import _winapi  # noqa: E402

from ._pipe_owner import refuse_impostor  # noqa: E402
from .errors import NoDaemonError  # noqa: E402

_PREFIX = "\\\\.\\pipe\\"
#: SECURITY_SQOS_PRESENT with SECURITY_IDENTIFICATION: who listens may ask who we are, and not act as we.
_IDENTIFICATION = 0x00110000
#: How long (s) all instances of the pipe may be busy, and between two looks.
BUSY_LIMIT = 10.0
BUSY_PAUSE = 0.02
#: Bytes that are written at once.
_WRITE_BYTES = 64 * 1024

_INVALID_HANDLE = c_void_p(-1).value

# Not _winapi.CreateFile, to which a name beyond ASCII is another one.
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateFileW.argtypes = [c_wchar_p, c_ulong, c_ulong, c_void_p, c_ulong, c_ulong, c_void_p]
_kernel32.CreateFileW.restype = c_void_p

_Start = Callable[[], "tuple[_winapi.Overlapped, int]"]


def default_path() -> str:
    """A name in AUTHD_SOCKET that is no pipe's is made one, as the daemon does."""
    told = os.environ.get("AUTHD_SOCKET")
    if not told:
        return f"{_PREFIX}authd-{os.environ.get('USERNAME') or os.getlogin()}"
    return told if told.startswith(_PREFIX) else _PREFIX + re.sub(r"[\\/:]", "-", told)


def assert_local(path: str) -> None:
    """Raises NoDaemonError for what may be a pipe of another machine, or a file."""
    if not path.startswith(_PREFIX):
        raise NoDaemonError(f"{path} is no named pipe of this machine: its name begins with {_PREFIX}")


class Pipe:
    """Raises NoDaemonError if the pipe is not ours, OSError if nobody listens."""

    def __init__(self, path: str) -> None:
        assert_local(path)
        self._handle = _open(path)
        self._lock = threading.Lock()
        self._pending: list[_winapi.Overlapped] = []
        self._timeout: Optional[float] = None
        self._is_over = False

    def settimeout(self, timeout: Optional[float]) -> None:
        """Sets how long (s) one read or write may take."""
        self._timeout = timeout

    def sendall(self, data: bytes) -> None:
        """Raises OSError; after socket.timeout nobody knows how much was written."""
        rest = memoryview(data)
        while rest:
            part = bytes(rest[:_WRITE_BYTES])
            written, _ = self._carry_out(partial(_winapi.WriteFile, self._handle, part, True))
            rest = rest[written:]

    def recv(self, size: int) -> bytes:
        """Returns what has come, nothing at the end. Raises OSError, socket.timeout among it."""
        try:
            _, operation = self._carry_out(partial(_winapi.ReadFile, self._handle, size, True))
        except BrokenPipeError:
            return b""
        return operation.getbuffer() or b""

    @property
    def is_readable(self) -> bool:
        """True if a read would not wait."""
        try:
            return bool(_winapi.PeekNamedPipe(self._handle)[0])
        except OSError:
            return True

    def shutdown(self, _how: int) -> None:
        """Ends what other threads read and write, now and later."""
        with self._lock:
            self._is_over = True
            for operation in self._pending:
                operation.cancel()

    def close(self) -> None:
        """For whoever reads and writes; other threads end that by `shutdown` first."""
        with self._lock:
            self._is_over = True
            handle, self._handle = self._handle, 0
        if handle:
            _winapi.CloseHandle(handle)

    def _carry_out(self, start: _Start) -> tuple[int, _winapi.Overlapped]:
        """Returns how many bytes were read or written."""
        with self._lock:
            if self._is_over:
                raise BrokenPipeError
            operation, _ = start()
            self._pending.append(operation)
        try:
            limit = _winapi.INFINITE if self._timeout is None else round(self._timeout * 1000)
            is_late = _winapi.WaitForMultipleObjects([operation.event], False, limit) == _winapi.WAIT_TIMEOUT
        finally:
            with self._lock:
                self._pending.remove(operation)
            operation.cancel()
            count, error = operation.GetOverlappedResult(True)
        if error != _winapi.ERROR_OPERATION_ABORTED:
            return count, operation
        if is_late:
            raise socket.timeout
        raise BrokenPipeError


def _open(path: str) -> int:
    until = time.monotonic() + BUSY_LIMIT
    while (handle := try_open(path, until)) is None:
        time.sleep(BUSY_PAUSE)
    return handle


def try_open(path: str, until: float) -> Optional[int]:
    """
    Returns the handle of a pipe that is ours, or None while all of its instances are busy: then try again.

    Raises NoDaemonError if it is not ours, OSError if nobody listens, or if all are busy after `until`
    (time.monotonic).
    """
    access = _winapi.GENERIC_READ | _winapi.GENERIC_WRITE
    flags = _winapi.FILE_FLAG_OVERLAPPED | _IDENTIFICATION
    handle: int = _kernel32.CreateFileW(path, access, 0, None, _winapi.OPEN_EXISTING, flags, None)
    if handle == _INVALID_HANDLE:
        error = ctypes.get_last_error()
        if error == _winapi.ERROR_PIPE_BUSY and time.monotonic() < until:
            return None
        raise ctypes.WinError(error)
    try:
        refuse_impostor(handle, path)
    except BaseException:
        _winapi.CloseHandle(handle)
        raise
    return handle
