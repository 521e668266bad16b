"""One connection to the daemon, which the calls of all threads share."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, Optional

from ._channel import Channel
from ._outbox import Outbox
from ._wire import Json, LineBuffer, encode, encode_cancel, request_message
from .cancellation import Cancellation, listening
from .errors import CancelledError, ConnectionLostError, TimeoutError, error_from

_READ_BYTES = 64 * 1024


class Connection:
    """Its reader is a thread, which ends with the connection."""

    def __init__(
        self,
        sock: Channel,
        on_notification: Callable[[str, Json], None],
        on_close: Callable[[], None],
    ) -> None:
        self._socket = sock
        self._on_notification = on_notification
        self._on_close = on_close
        self._lock = threading.Lock()
        self._outbox = Outbox(sock, self.close)
        self._pending: dict[int, Future[Any]] = {}
        self._last_id = 0
        self.is_closed = False
        threading.Thread(target=self._read, name="authd", daemon=True).start()

    def request(
        self, method: str, params: Json, timeout: float, cancellation: Optional[Cancellation] = None
    ) -> Any:
        """Raises AuthdError, or ConnectionLostError."""
        request_id, future = self.send(method, params)

        def give_up(error: Exception) -> None:
            # What was not sent yet needs not be taken back.
            if self._settle(request_id, error) and not self._outbox.withdraw(request_id):
                with contextlib.suppress(OSError):
                    self._outbox.put(request_id, encode_cancel(request_id))

        with listening(cancellation, lambda: give_up(CancelledError(f"{method} was cancelled."))):
            try:
                return future.result(timeout)
            except FutureTimeout:
                text = f"authd has not answered {method} within {timeout:.0f} s."
                give_up(TimeoutError(text))
                return future.result()
            except BaseException:
                # An interrupt of the waiting thread; an error of the daemon is settled already.
                give_up(CancelledError(f"{method} was interrupted."))
                raise

    def send(self, method: str, params: Json) -> tuple[int, Future[Any]]:
        """Sends a request; its answer comes in the future."""
        future: Future[Any] = Future()
        with self._lock:
            self._last_id += 1
            request_id = self._last_id
            data = encode(request_message(request_id, method, params))
            if self.is_closed:
                raise ConnectionLostError
            self._pending[request_id] = future
        try:
            self._outbox.put(request_id, data)
        except OSError as error:
            self.close()
            raise ConnectionLostError from error
        return request_id, future

    def close(self, error: Optional[Exception] = None) -> None:
        """Ends the connection: what is in flight gets `error`."""
        with self._lock:
            self.is_closed = True
            pending, self._pending = self._pending, {}
        self._outbox.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for future in pending.values():
            future.set_exception(error or ConnectionLostError())

    def forget(self) -> None:
        """Closes the descriptor alone: the connection is the parent process's."""
        self.is_closed = True
        self._socket.close()

    def _settle(self, request_id: int, error: Exception) -> bool:
        with self._lock:
            future = self._pending.pop(request_id, None)
        if future is not None:
            future.set_exception(error)
        return future is not None

    def _read(self) -> None:
        buffer = LineBuffer()
        try:
            while data := self._socket.recv(_READ_BYTES):
                for message in buffer.feed(data):
                    self._receive(message)
        except (OSError, ValueError):
            pass
        finally:
            self.close()
            self._socket.close()
            self._on_close()

    def _receive(self, message: Json) -> None:
        if "method" in message:
            self._on_notification(message["method"], message.get("params") or {})
            return
        error = message.get("error")
        if message.get("id") is None and error:
            # About the connection as a whole, which the daemon closes after it.
            self.close(error_from(error))
            return
        with self._lock:
            future = self._pending.pop(message.get("id"), None)  # type: ignore[arg-type]
        if future is None:
            return
        if error:
            future.set_exception(error_from(error))
        else:
            future.set_result(message.get("result"))
