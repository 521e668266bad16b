"""The client for programs with threads, and without."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, Union

from . import _channel
from ._connection import Connection
from ._exchange import Exchange, Stream
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
from .cancellation import Cancellation
from .errors import AuthdError, CancelledError, ConnectionLostError, RequestFailedError
from .results import Response, Token

Listener = Callable[[str, Json], None]

#: Between tries (s) to get a lost subscription back.
_RECONNECT_PAUSE = 1.0


class Client:
    """Connects with the first call, and again with the next one after the connection was lost.

    All threads may use one client. A child process after `fork` gets a connection of its own.
    `socket` is the daemon's; `grace` is how much longer (s) than its timeout a call waits, as a
    person may have to say yes first.
    """

    def __init__(self, socket: Optional[str] = None, *, grace: float = GRACE) -> None:
        self._path = socket
        self._grace = grace
        self._is_closed = False
        self._reset()
        _clients.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._connection: Optional[Connection] = None
        self._watched: list[Json] = []
        self._listeners: list[Listener] = []

    def get_token(
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
        cancellation: Optional[Cancellation] = None,
    ) -> Token:
        """Returns a token that is valid, and the headers to send with it.

        `min_validity` and `timeout` are seconds, `rejected_token` is one that an API has refused with
        401, `method` and `url` name the request that the token is for (DPoP).
        """
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
        return Token.of(self.call("getToken", params, cancellation=cancellation))

    def request(
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
        cancellation: Optional[Cancellation] = None,
    ) -> Response:
        """Has authd send an HTTP request, so that this process never sees the token."""
        params = request_params(credential, method, url, headers, timeout, max_response_bytes)
        data = bytes_of(body, json, params)
        if data is None or len(data) <= SHORT_BODY:
            short = {**params, **(encode_body(data) if data is not None else {})}
            return Response.of(self.call("authorizedRequest", short, cancellation=cancellation))
        long = data

        def send() -> Json:
            exchange = self._exchange(params, cancellation)
            try:
                exchange.send(params, long)
                while exchange.result is None:
                    exchange.step()
                return exchange.result
            finally:
                exchange.close()

        return Response.of(self._repeated("authorizedRequest", params, send))

    def stream(
        self,
        credential: str,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[str, bytes, Iterable[bytes], None] = None,
        timeout: Optional[float] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> Stream:
        """Has authd send a request whose answer is read as it comes.

        An iterable as `body` is sent as it comes; authd gives it up if it pauses for a minute.
        `timeout` (s) covers everything up to the head, then each silence.
        """
        params = request_params(credential, method, url, headers, timeout)
        exchange = self._exchange(params, cancellation)
        return Stream(exchange, params, body.encode() if isinstance(body, str) else body)

    def call(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        cancellation: Optional[Cancellation] = None,
    ) -> Any:
        """Calls any method of the protocol, and returns its result as it comes."""
        given = dict(params or {})
        limit = timeout_of(method, given) + self._grace
        return self._repeated(
            method,
            given,
            lambda: self._connected().request(method, given, limit, cancellation),
        )

    def subscribe(
        self,
        listener: Listener,
        *,
        credential: Optional[str] = None,
        events: bool = False,
        approvals: bool = False,
    ) -> None:
        """Has `listener` called with the name and params of each notification, in another thread.

        After a restart of the daemon it is subscribed again.
        """
        with self._lock:
            if listener not in self._listeners:
                self._listeners.append(listener)
        watched = present(
            {"credential": credential, "events": events or None, "approvals": approvals or None}
        )
        self.call("subscribe", watched)
        with self._lock:
            self._watched = [one for one in self._watched if one != watched] + [watched]

    def unsubscribe(self, credential: Optional[str] = None) -> None:
        """Ends the subscriptions for one credential, or without a name all of them."""
        with self._lock:
            self._watched = [
                one for one in self._watched if credential and one.get("credential") != credential
            ]
        self.call("unsubscribe", present({"credential": credential}))

    def close(self) -> None:
        """Ends the connection; what is in flight raises CancelledError."""
        with self._lock:
            self._is_closed = True
            connection = self._connection
        if connection is not None:
            connection.close(_closed())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repeated(self, method: str, params: Json, send: Callable[[], Any]) -> Any:
        for _ in range(2 if may_repeat(method, params) else 1):
            try:
                return send()
            except ConnectionLostError:
                if self._is_closed:
                    raise _closed() from None
        raise RequestFailedError(
            f"The connection to authd broke before it answered {method}: it may have been carried out."
        )

    def _exchange(self, params: Json, cancellation: Optional[Cancellation]) -> Exchange:
        if self._is_closed:
            raise _closed()
        limit = timeout_of("authorizedRequest", params) + self._grace
        return Exchange(_channel.connect(self._path), limit, cancellation)

    def _connected(self) -> Connection:
        with self._lock:
            if self._is_closed:
                raise _closed()
            if self._connection is None or self._connection.is_closed:
                sock = _channel.connect(self._path)
                self._connection = Connection(sock, self._tell, self._lost)
                for watched in self._watched:
                    self._connection.send("subscribe", watched)
            return self._connection

    def _tell(self, name: str, params: Json) -> None:
        for listener in list(self._listeners):
            listener(name, params)

    def _lost(self) -> None:
        """A program that waits for notifications makes no calls that would open the connection again."""
        while self._watched and not self._is_closed:
            time.sleep(_RECONNECT_PAUSE)
            try:
                self._connected()
                return
            except (AuthdError, ConnectionLostError):
                continue

    def _after_fork(self) -> None:
        connection = self._connection
        self._reset()
        if connection is not None:
            connection.forget()


def _closed() -> CancelledError:
    return CancelledError("This client has been closed.")


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Threads are the parent's, and so is the connection: answers on it would be mixed up."""
    for client in list(_clients):
        client._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
