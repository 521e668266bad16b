"""A request whose body or answer does not fit into one message, on a connection of its own.

The caller's own thread reads, so that a body that is read slowly holds up nothing else.
"""

from __future__ import annotations

import contextlib
import select
import socket
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from ._wire import (
    SHORT_BODY,
    WINDOW,
    BodyCheck,
    Json,
    LineBuffer,
    encode,
    encode_body,
    request_message,
    slices,
)
from .cancellation import Cancellation
from .errors import CancelledError, ConnectionLostError, RequestFailedError, TimeoutError, error_from
from .results import Headers

_READ_BYTES = 64 * 1024

Body = Union[bytes, Iterable[bytes], None]


class Exchange:
    """One request and its answer. Raises AuthdError, or ConnectionLostError."""

    def __init__(self, sock: socket.socket, timeout: float, cancellation: Optional[Cancellation]) -> None:
        self._socket = sock
        self._timeout = timeout
        self._cancellation = cancellation
        self._buffer = LineBuffer()
        self._messages: deque[Json] = deque()
        self._last_id = 0
        #: The request that the answer is for: of a body in parts, the one that brought it.
        self._answer_id: Optional[int] = None
        #: What the pieces of the answer are told with: of a body in parts, the request that opened it.
        self._stream_id: Optional[int] = None
        self.head: Optional[Json] = None
        self.result: Optional[Json] = None
        sock.settimeout(timeout)
        if cancellation is not None:
            cancellation.add(self._interrupt)

    def close(self) -> None:
        if self._cancellation is not None:
            self._cancellation.discard(self._interrupt)
        self._socket.close()

    def send(self, params: Json, body: Body) -> None:
        """Sends the request with its whole body, or until an answer comes."""
        if body is None or (isinstance(body, bytes) and len(body) <= SHORT_BODY):
            self._answer_id = self._send(
                "authorizedRequest", {**params, **(encode_body(body) if body else {})}
            )
            return
        known = {"bodyBytes": len(body)} if isinstance(body, bytes) else {}
        opened = self._send("request/open", {**params, **known})
        upload = self._result_of(opened)["upload"]
        self._pump(upload, slices([body] if isinstance(body, bytes) else body))

    def step(self) -> Optional[Json]:
        """Takes one message; returns it if it is a piece of the body."""
        message = self._next()
        params = message.get("params") or {}
        if message.get("method") == "response/head":
            self.head = params
            self._stream_id = params.get("id")
        elif message.get("method") == "response/chunk" and params.get("id") == self._stream_id:
            return params
        elif message.get("error") and message.get("id") in (None, self._answer_id):
            raise error_from(message["error"])
        elif message.get("id") is not None and "status" in (message.get("result") or {}):
            self.result = message["result"]
        return None

    def _pump(self, upload: str, parts: Iterator[bytes]) -> None:
        waiting: deque[int] = deque()

        def put(seq: int, data: bytes, last: bool = False) -> None:
            params: Json = {"upload": upload, "seq": seq, "data": b64encode(data).decode()}
            waiting.append(self._send("request/chunk", {**params, "last": True} if last else params))

        seq = 0
        for seq, part in enumerate(parts, 1):
            put(seq - 1, part)
            while len(waiting) >= WINDOW or (waiting and self._is_readable()):
                if self._is_answered(waiting):
                    return
        put(seq, b"", last=True)
        while waiting and not self._is_answered(waiting):
            pass

    def _is_answered(self, waiting: deque[int]) -> bool:
        """Takes a message; true if the answer has begun. The parts are answered in their order."""
        self._answer_id = waiting[0]
        message = self._next()
        self._messages.appendleft(message)
        if message.get("method") == "response/chunk":
            return True
        self.step()
        if message.get("id") == waiting[0]:
            waiting.popleft()
        return self.head is not None or self.result is not None

    def _result_of(self, request_id: int) -> Json:
        while True:
            message = self._next()
            if message.get("error") and message.get("id") in (None, request_id):
                raise error_from(message["error"])
            if message.get("id") == request_id:
                return message.get("result") or {}

    def _send(self, method: str, params: Json) -> int:
        self._last_id += 1
        data = encode(request_message(self._last_id, method, params))
        try:
            self._socket.sendall(data)
        except OSError as error:
            self._raise_lost(error)
        return self._last_id

    def _next(self) -> Json:
        while not self._messages:
            self._receive()
        return self._messages.popleft()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
            self._messages.extend(self._buffer.feed(data))
        except (socket.timeout, BlockingIOError) as error:
            text = f"authd has said nothing for {self._timeout:.0f} s."
            raise TimeoutError(text) from error
        except (OSError, ValueError) as error:
            self._raise_lost(error)
        else:
            if not data:
                self._raise_lost(None)

    def _is_readable(self) -> bool:
        return bool(self._messages or select.select([self._socket], [], [], 0)[0])

    def _raise_lost(self, cause: Optional[Exception]) -> None:
        if self._cancellation is not None and self._cancellation.is_cancelled:
            raise CancelledError("The request was cancelled.") from cause
        raise ConnectionLostError from cause

    def _interrupt(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class Stream:
    """An API's answer whose body is read as it comes. Iterate over it, or `read()` the rest; close it."""

    status: int
    reason: str
    #: After redirects.
    url: str
    headers: Headers

    def __init__(self, exchange: Exchange, params: Json, body: Body) -> None:
        self._exchange = exchange
        self._check = BodyCheck()
        try:
            exchange.send({**params, "stream": True}, body)
            while exchange.head is None:
                exchange.step()
                if exchange.result is not None and exchange.head is None:
                    raise RequestFailedError("The answer has no head.")
        except BaseException as error:
            exchange.close()
            if isinstance(error, ConnectionLostError):
                raise _broken() from error
            raise
        head: Any = exchange.head
        self.status, self.url = head["status"], head["url"]
        self.reason, self.headers = head.get("statusText") or "", head.get("headers") or {}

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self._exchange.result is None:
                chunk = self._exchange.step()
                data = self._check.take(chunk) if chunk is not None else b""
                if data:
                    yield data
            self._check.assert_whole(self._exchange.result)
        except ConnectionLostError as error:
            raise _broken() from error
        finally:
            self.close()

    def read(self) -> bytes:
        """Returns the rest of the body."""
        return b"".join(self)

    def close(self) -> None:
        """Ends the request, if it is still under way."""
        self._exchange.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _broken() -> RequestFailedError:
    return RequestFailedError("The connection to authd broke before the answer was whole.")
