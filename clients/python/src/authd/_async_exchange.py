"""A request whose body or answer does not fit into one message, in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from typing import Any, Optional, Union

from ._async_connection import AsyncConnection
from ._wire import SHORT_BODY, WINDOW, BodyCheck, Json, encode_body, slices
from .errors import AuthdError, ConnectionLostError, RequestFailedError
from .results import Headers

AsyncBody = Union[bytes, Iterable[bytes], AsyncIterable[bytes], None]

#: While a body pauses so long (s), an empty part says that it goes on, and brings the end of an early answer.
_KEEPALIVE = 1.0


async def send(connection: AsyncConnection, params: Json, body: AsyncBody, timeout: float) -> Json:
    """Sends a request with its whole body; returns its result. Raises AuthdError, or ConnectionLostError."""
    if body is None or (isinstance(body, bytes) and len(body) <= SHORT_BODY):
        whole = {**params, **(encode_body(body) if body else {})}
        result: Json = await connection.request("authorizedRequest", whole, timeout)
        return result
    known = {"bodyBytes": len(body)} if isinstance(body, bytes) else {}
    opened = await connection.request("request/open", {**params, **known}, timeout)
    parts = _parts(body)
    try:
        return await _pump(connection, opened["upload"], parts)
    finally:
        with contextlib.suppress(RuntimeError):
            await parts.aclose()


async def _pump(connection: AsyncConnection, upload: str, parts: AsyncGenerator[bytes, None]) -> Json:
    waiting: deque[asyncio.Future[Any]] = deque()
    seq = 0

    async def put(data: bytes, last: bool = False) -> None:
        nonlocal seq
        params: Json = {"upload": upload, "seq": seq, "data": b64encode(data).decode()}
        waiting.append(connection.send("request/chunk", {**params, "last": True} if last else params)[1])
        seq += 1
        await connection.drained()

    following: asyncio.Future[Optional[bytes]] = asyncio.ensure_future(_next(parts))
    try:
        while True:
            awaited: set[asyncio.Future[Any]] = set() if len(waiting) >= WINDOW else {following}
            if waiting:
                awaited.add(waiting[0])
            done, _ = await asyncio.wait(awaited, timeout=_KEEPALIVE, return_when=asyncio.FIRST_COMPLETED)
            if waiting and waiting[0] in done:
                result = waiting.popleft().result()
                if "status" in result:
                    return dict(result)
            elif following in done:
                part = following.result()
                await put(part or b"", last=part is None)
                if part is None:
                    return await _answer_of(waiting)
                following = asyncio.ensure_future(_next(parts))
            elif not waiting:
                await put(b"")
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await following


async def _answer_of(waiting: deque[asyncio.Future[Any]]) -> Json:
    """The answers come in the order of the parts."""
    for future in waiting:
        result = await future
        if "status" in result:
            return dict(result)
    raise RequestFailedError("authd has not answered the end of the body.")


async def _next(parts: AsyncGenerator[bytes, None]) -> Optional[bytes]:
    async for part in parts:
        return part
    return None


async def _parts(
    body: Union[bytes, Iterable[bytes], AsyncIterable[bytes]],
) -> AsyncGenerator[bytes, None]:
    if isinstance(body, AsyncIterable):
        async for part in body:
            for piece in slices([part]):
                yield piece
    else:
        for piece in slices([body] if isinstance(body, bytes) else body):
            yield piece


class AsyncStream:
    """An API's answer whose body is read as it comes. Iterate over it, or `read()` the rest; close it."""

    status: int
    reason: str
    #: After redirects.
    url: str
    headers: Headers

    def __init__(self, connection: AsyncConnection, sending: asyncio.Task[Json]) -> None:
        self._connection = connection
        self._sending = sending
        self._check = BodyCheck()
        self._answer_id: Any = None

    @classmethod
    async def open(
        cls, connection: AsyncConnection, params: Json, body: AsyncBody, timeout: float
    ) -> AsyncStream:
        sending = asyncio.ensure_future(send(connection, {**params, "stream": True}, body, timeout))
        stream = cls(connection, sending)
        try:
            head = await stream._next("response/head")
            if head is None:
                raise RequestFailedError("The answer has no head.")
        except BaseException:
            await stream.close()
            raise
        stream._answer_id = head.get("id")
        stream.status, stream.url = head["status"], head["url"]
        stream.reason, stream.headers = head.get("statusText") or "", head.get("headers") or {}
        return stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (chunk := await self._next("response/chunk")) is not None:
                data = self._check.take(chunk)
                if data:
                    yield data
            self._check.assert_whole(self._sending.result())
        finally:
            await self.close()

    async def read(self) -> bytes:
        """Returns the rest of the body."""
        return b"".join([chunk async for chunk in self])

    async def close(self) -> None:
        """Ends the request, if it is still under way."""
        self._sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, AuthdError, ConnectionLostError):
            await self._sending
        self._connection.close()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _next(self, name: str) -> Optional[Json]:
        """Returns the params of the next such notification; None once the request is answered."""
        while True:
            message = asyncio.ensure_future(self._connection.message())
            try:
                await asyncio.wait({message, self._sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not message.done():
                    message.cancel()
            try:
                # What came before the answer is taken first.
                if message.done() and not message.cancelled() and not message.exception():
                    told = message.result()
                    params: Json = told.get("params") or {}
                    if told["method"] == name and self._answer_id in (None, params.get("id")):
                        return params
                    continue
                await self._sending
                if self._connection.has_messages:
                    continue
                return None
            except ConnectionLostError as error:
                text = "The connection to authd broke before the answer was whole."
                raise RequestFailedError(text) from error
