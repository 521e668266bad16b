"""The daemon's named pipe in an event loop of Windows."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, Callable, TypeVar

assert sys.platform == "win32"
from asyncio.windows_utils import PipeHandle  # noqa: E402

from ._pipe import BUSY_LIMIT, BUSY_PAUSE, assert_local, try_open  # noqa: E402
from .errors import NoDaemonError  # noqa: E402

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


async def attach_pipe(factory: Callable[[], _Protocol], path: str) -> _Protocol:
    """Raises NoDaemonError if the pipe is not ours, OSError if nobody listens."""
    assert_local(path)
    attach = _attacher()
    until = time.monotonic() + BUSY_LIMIT
    while (handle := try_open(path, until)) is None:
        await asyncio.sleep(BUSY_PAUSE)
    protocol = factory()
    is_attached = asyncio.get_running_loop().create_future()
    pipe = PipeHandle(handle)
    try:
        transport = attach(pipe, protocol, is_attached)
    except BaseException:
        pipe.close()
        raise
    try:
        # The loop tells the protocol of its transport in its next turn only.
        await is_attached
    except BaseException:
        transport.close()
        raise
    return protocol


def _attacher() -> Callable[..., Any]:
    """
    Returns what gives an open pipe to the loop: (pipe, protocol, future) to a transport.

    The loop's create_pipe_connection opens the pipe itself: who listens may then act as the user, and while
    all instances are busy it waits for ever.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.ProactorEventLoop):
        raise NoDaemonError("Only the ProactorEventLoop, the usual one of Windows, can reach a named pipe.")
    attach = getattr(loop, "_make_duplex_pipe_transport", None)
    if attach is None:
        raise NoDaemonError(
            "The event loop of this Python takes no named pipe that is open: call authd.Client in a thread."
        )
    return attach  # type: ignore[no-any-return]
