"""A request whose body or answer does not fit into one message, on a connection of its own.

The caller's own thread reads, so that a body that is read slowly holds up nothing else.
"""

from __future__ import annotations

import contextlib
import socket
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from ._channel import Channel, is_readable
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

    def __init__(self, sock: Channel, timeout: float, cancellation: Optional[Cancellation]) -> None:
        self._socket = sock
        self._timeout = timeout
        self._cancellation = cancellation
        self._buffer = LineBuffer()
        self._messages: deque[Json] = deque()
        self._last_id = 0
        #: Requests that are not answered yet, in the order of their answers.
        self._waiting: deque[int] = deque()
        #: Sends the next part of the body each time that it goes on.
        self._upload: Optional[Iterator[None]] = None
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
        """Sends the request. A long body goes with the steps that follow, until the answer is whole."""
        if body is None or (isinstance(body, bytes) and len(body) <= SHORT_BODY):
            self._send("authorizedRequest", {**params, **(encode_body(body) if body else {})})
            return
        known = {"bodyBytes": len(body)} if isinstance(body, bytes) else {}
        self._send("request/open", {**params, **known})
        self._upload = self._parts(self._opened(), [body] if isinstance(body, bytes) else body)

    def step(self) -> Optional[Json]:
        """Sends what there is room for, and takes one message; returns it if it is a piece of the body."""
        while self._upload is not None and len(self._waiting) < WINDOW and not self._is_readable():
            next(self._upload, None)
        message = self._next()
        params = message.get("params") or {}
        if message.get("method") == "response/head":
            self.head = params
            self._stream_id = params.get("id")
        elif message.get("method") == "response/chunk" and params.get("id") == self._stream_id:
            return params
        elif self._is_answer(message) and "status" in (message.get("result") or {}):
            self.result = message["result"]
        return None

    def _parts(self, upload: str, body: Iterable[bytes]) -> Iterator[None]:
        seq = 0
        for seq, part in enumerate(slices(body), 1):
            data = b64encode(part).decode()
            self._send("request/chunk", {"upload": upload, "seq": seq - 1, "data": data})
            yield
        self._send("request/chunk", {"upload": upload, "seq": seq, "data": "", "last": True})
        self._upload = None

    def _opened(self) -> str:
        message = self._next()
        while not self._is_answer(message):
            message = self._next()
        return str(message["result"]["upload"])

    def _is_answer(self, message: Json) -> bool:
        """True if the message answers the request that waits for it. Raises its error."""
        answered = message.get("id")
        is_next = answered is not None and bool(self._waiting) and answered == self._waiting[0]
        if message.get("error") and (is_next or ("method" not in message and answered is None)):
            raise error_from(message["error"])
        if is_next:
            self._waiting.popleft()
        return is_next

    def _send(self, method: str, params: Json) -> None:
        self._last_id += 1
        data = encode(request_message(self._last_id, method, params))
        try:
            self._socket.sendall(data)
        except socket.timeout as error:
            raise TimeoutError(f"authd has not taken the request within {self._timeout:.0f} s.") from error
        except OSError as error:
            self._raise_lost(error)
        self._waiting.append(self._last_id)

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
        return bool(self._messages) or is_readable(self._socket)

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
