"""The client for programs with an event loop.

    async with AsyncClient() as client:
        token = await client.get_token("labelf")

A task that is cancelled takes its request back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Callable, Optional, Union

from ._async_connection import AsyncConnection
from ._async_exchange import AsyncBody, AsyncStream, send
from ._wire import (
    GRACE,
    SHORT_BODY,
    Json,
    bytes_of,
    encode_body,
    may_repeat,
    present,
    request_params,
    timeout_of,
    token_params,
)
from .client import Listener
from .errors import AuthdError, CancelledError, ConnectionLostError, RequestFailedError
from .results import Response, Token

#: Between tries (s) to get a lost subscription back.
_RECONNECT_PAUSE = 1.0


class AsyncClient:
    """As `authd.Client`, with the same options, but for `cancellation`: cancel the task."""

    def __init__(self, socket: Optional[str] = None, *, grace: float = GRACE) -> None:
        self._path = socket
        self._grace = grace
        self._is_closed = False
        self._connection: Optional[asyncio.Task[AsyncConnection]] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._resuming: Optional[asyncio.Task[None]] = None
        self._watched: list[Json] = []
        self._listeners: list[Listener] = []

    async def get_token(
        self,
        credential: str,
        *,
        min_validity: Optional[float] = None,
        scope: Optional[str] = None,
        audience: Optional[str] = None,
        force_refresh: bool = False,
        rejected_token: Optional[str] = None,
        timeout: Optional[float] = None,
        method: Optional[str] = None,
        url: Optional[str] = None,
        interactive: bool = False,
    ) -> Token:
        """Returns a token that is valid, and the headers to send with it: see `Client.get_token`."""
        params = token_params(
            credential,
            min_validity=min_validity,
            scope=scope,
            audience=audience,
            force_refresh=force_refresh,
            rejected_token=rejected_token,
            timeout=timeout,
            method=method,
            url=url,
            interactive=interactive,
        )
        return Token.of(await self.call("getToken", params))

    async def request(
        self,
        credential: str,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[str, bytes, None] = None,
        json: Any = None,
        timeout: Optional[float] = None,
        max_response_bytes: Optional[int] = None,
    ) -> Response:
        """Has authd send an HTTP request, so that this process never sees the token."""
        params = request_params(credential, method, url, headers, timeout, max_response_bytes)
        data = bytes_of(body, json, params)
        if data is None or len(data) <= SHORT_BODY:
            short = {**params, **(encode_body(data) if data is not None else {})}
            return Response.of(await self.call("authorizedRequest", short))

        async def exchange() -> Json:
            connection = await self._own()
            try:
                return await send(connection, params, data, self._limit(params))
            finally:
                connection.close()

        return Response.of(await self._repeated("authorizedRequest", params, exchange))

    async def stream(
        self,
        credential: str,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[str, AsyncBody] = None,
        timeout: Optional[float] = None,
    ) -> AsyncStream:
        """Has authd send a request whose answer, and with an iterable as `body` whose body, is streamed."""
        params = request_params(credential, method, url, headers, timeout)
        data = body.encode() if isinstance(body, str) else body
        return await AsyncStream.open(await self._own(), params, data, self._limit(params))

    async def call(self, method: str, params: Optional[Mapping[str, Any]] = None) -> Any:
        """Calls any method of the protocol, and returns its result as it comes."""
        given = dict(params or {})
        limit = timeout_of(method, given) + self._grace

        async def once() -> Any:
            return await (await self._connected()).request(method, given, limit)

        return await self._repeated(method, given, once)

    async def subscribe(
        self,
        listener: Listener,
        *,
        credential: Optional[str] = None,
        events: bool = False,
        approvals: bool = False,
    ) -> None:
        """Has `listener` called with the name and params of each notification: see `Client.subscribe`."""
        if listener not in self._listeners:
            self._listeners.append(listener)
        watched = present(
            {"credential": credential, "events": events or None, "approvals": approvals or None}
        )
        await self.call("subscribe", watched)
        self._watched = [one for one in self._watched if one != watched] + [watched]

    async def unsubscribe(self, credential: Optional[str] = None) -> None:
        """Ends the subscriptions for one credential, or without a name all of them."""
        self._watched = [one for one in self._watched if credential and one.get("credential") != credential]
        await self.call("unsubscribe", present({"credential": credential}))

    async def close(self) -> None:
        """Ends the connection; what is in flight raises authd's CancelledError."""
        self._is_closed = True
        if self._resuming is not None:
            self._resuming.cancel()
        opening = self._connection
        if opening is not None and opening.done() and not opening.exception():
            opening.result().close(_closed())

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _limit(self, params: Json) -> float:
        return timeout_of("authorizedRequest", params) + self._grace

    async def _repeated(self, method: str, params: Json, once: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(2 if may_repeat(method, params) else 1):
            try:
                return await once()
            except ConnectionLostError:
                if self._is_closed:
                    raise _closed() from None
        raise RequestFailedError(
            f"The connection to authd broke before it answered {method}: it may have been carried out."
        )

    async def _own(self) -> AsyncConnection:
        """A connection for one request alone: what is read slowly holds up nothing else."""
        if self._is_closed:
            raise _closed()
        return await AsyncConnection.open(self._path)

    async def _connected(self) -> AsyncConnection:
        """The open connection, or a new one: one for all tasks that come at the same time."""
        if self._is_closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        opening = self._connection
        is_over = opening is not None and opening.done()
        if is_over and (opening.exception() or opening.result().is_closed):  # type: ignore[union-attr]
            opening = None
        if opening is None or self._loop is not loop:
            opening = self._connection = loop.create_task(self._open())
            self._loop = loop
        return await asyncio.shield(opening)

    async def _open(self) -> AsyncConnection:
        connection = await AsyncConnection.open(self._path, self._tell, self._lost)
        for watched in self._watched:
            connection.send("subscribe", watched)
        return connection

    def _tell(self, name: str, params: Json) -> None:
        for listener in list(self._listeners):
            listener(name, params)

    def _lost(self) -> None:
        """A program that waits for notifications makes no calls that would open the connection again."""
        if self._watched and not self._is_closed:
            self._resuming = asyncio.get_running_loop().create_task(self._resume())

    async def _resume(self) -> None:
        while True:
            await asyncio.sleep(_RECONNECT_PAUSE)
            try:
                await self._connected()
                return
            except (AuthdError, ConnectionLostError):
                continue


def _closed() -> CancelledError:
    return CancelledError("This client has been closed.")
