"""The daemon's named pipe in an event loop of Windows."""

from __future__ import annotations

import asyncio
import sys
from typing import Callable, TypeVar

assert sys.platform == "win32"
from ._pipe import assert_local  # noqa: E402
from ._pipe_owner import refuse_impostor  # noqa: E402
from .errors import NoDaemonError  # noqa: E402

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


async def attach_pipe(factory: Callable[[], _Protocol], path: str) -> _Protocol:
    """Raises NoDaemonError if the pipe is not ours, OSError if nobody listens."""
    assert_local(path)
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.ProactorEventLoop):
        raise NoDaemonError("Only the ProactorEventLoop, the usual one of Windows, can reach a named pipe.")
    protocol = factory()
    transport, _ = await loop.create_pipe_connection(lambda: protocol, path)  # type: ignore[arg-type,return-value]
    try:
        # The loop tells the protocol of its transport in its next turn only.
        await asyncio.sleep(0)
        # Nothing has been sent yet.
        refuse_impostor(transport.get_extra_info("pipe").fileno(), path)
    except BaseException:
        transport.close()
        raise
    return protocol
