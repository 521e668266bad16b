"""Takes back a call that is under way in another thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional


class Cancellation:
    """Pass one to a call, and `cancel()` it from any thread: the call raises CancelledError."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        return self._is_cancelled

    def cancel(self) -> None:
        with self._lock:
            self._is_cancelled = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def add(self, listener: Callable[[], None]) -> None:
        """Calls `listener` once this is cancelled: at once if it is already."""
        with self._lock:
            if not self._is_cancelled:
                self._listeners.append(listener)
                return
        listener()

    def discard(self, listener: Callable[[], None]) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)


@contextmanager
def listening(cancellation: Optional[Cancellation], listener: Callable[[], None]) -> Iterator[None]:
    """Has `listener` called if the call that is made meanwhile is cancelled."""
    if cancellation is None:
        yield
        return
    cancellation.add(listener)
    try:
        yield
    finally:
        cancellation.discard(listener)
