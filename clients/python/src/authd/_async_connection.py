"""One connection to the daemon in an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Callable, Optional, cast

from . import _channel
from ._wire import Json, LineBuffer, encode, encode_cancel, request_message
from .errors import ConnectionLostError, TimeoutError, error_from

#: Bytes of messages that nobody has taken: beyond it the daemon has to wait.
_READ_AHEAD_BYTES = 256 * 1024


class AsyncConnection(asyncio.Protocol):
    """Answers go to their callers; notifications to `on_notification`, or without one to `message()`."""

    def __init__(
        self,
        on_notification: Optional[Callable[[str, Json], None]] = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_notification = on_notification
        self._on_close = on_close
        self._buffer = LineBuffer()
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._messages: deque[tuple[Json, int]] = deque()
        self._unread_bytes = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._last_id = 0
        self.is_closed = False

    @classmethod
    async def open(cls, path: Optional[str], *handlers: Any) -> AsyncConnection:
        """Raises NoDaemonError."""
        return await _channel.attach(lambda: cls(*handlers), path)

    async def request(self, method: str, params: Json, timeout: Optional[float]) -> Any:
        """Raises AuthdError, or ConnectionLostError. A cancelled task takes the request back."""
        request_id, future = self.send(method, params)
        try:
            return await asyncio.wait_for(self._answer_in(future), timeout)
        except asyncio.TimeoutError as error:
            if future.done():
                raise
            self._take_back(request_id, future)
            text = f"authd has not answered {method} within {timeout:.0f} s."
            raise TimeoutError(text) from error
        except asyncio.CancelledError:
            self._take_back(request_id, future)
            raise

    async def _answer_in(self, future: asyncio.Future[Any]) -> Any:
        """Waits for room for what was sent, too, so that there is never much of it."""
        await self._writable.wait()
        return await asyncio.shield(future)

    def send(self, method: str, params: Json) -> tuple[int, asyncio.Future[Any]]:
        """Sends a request; its answer comes in the future."""
        self._last_id += 1
        data = encode(request_message(self._last_id, method, params))
        if self.is_closed:
            raise ConnectionLostError
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Its error may come when its caller has gone.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._pending[self._last_id] = future
        self._transport.write(data)
        return self._last_id, future

    async def message(self) -> Json:
        """Returns the next notification. Raises ConnectionLostError at the end."""
        while not self._messages:
            if self.is_closed:
                raise ConnectionLostError
            self._arrived.clear()
            await self._arrived.wait()
        message, size = self._messages.popleft()
        self._unread_bytes -= size
        if self._unread_bytes < _READ_AHEAD_BYTES and not self.is_closed:
            self._transport.resume_reading()
        return message

    @property
    def has_messages(self) -> bool:
        return bool(self._messages)

    async def drained(self) -> None:
        await self._writable.wait()

    def close(self, error: Optional[Exception] = None) -> None:
        self.is_closed = True
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(error or ConnectionLostError())
        self._transport.abort()
        self._arrived.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.close()
        self._writable.set()
        self._on_close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._buffer.feed(data)
        except ValueError:
            self.close()
            return
        for message in messages:
            self._receive(message, len(data) // len(messages))

    def _receive(self, message: Json, size: int) -> None:
        error = message.get("error")
        if "method" in message:
            if self._on_notification is None:
                self._keep(message, size)
            else:
                self._on_notification(message["method"], message.get("params") or {})
        elif message.get("id") is None and error:
            # About the connection as a whole, which the daemon closes after it.
            self.close(error_from(error))
        else:
            future = self._pending.pop(message.get("id"), None)  # type: ignore[arg-type]
            if future is not None and not future.done():
                if error:
                    future.set_exception(error_from(error))
                else:
                    future.set_result(message.get("result"))

    def _keep(self, message: Json, size: int) -> None:
        self._messages.append((message, size))
        self._unread_bytes += size
        self._arrived.set()
        if self._unread_bytes >= _READ_AHEAD_BYTES:
            self._transport.pause_reading()

    def _take_back(self, request_id: int, future: asyncio.Future[Any]) -> None:
        self._pending.pop(request_id, None)
        future.cancel()
        if not self.is_closed:
            self._transport.write(encode_cancel(request_id))
