"""Lines that are written, or wait to be."""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Optional

from ._channel import Channel, send_now

#: In place of a request's number: a line that has begun to be written.
_BEGUN = 0


class Outbox:
    """Nobody who puts a line in waits: what the channel has no room for goes by a thread, in its order."""

    def __init__(self, channel: Channel, on_failure: Callable[[], None]) -> None:
        self._channel = channel
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._lines: deque[tuple[int, bytes]] = deque()
        self._writer: Optional[threading.Thread] = None
        self._is_writing = False
        self._is_closed = False

    def put(self, request_id: int, line: bytes) -> None:
        """Sends a line about a request, or adds it to what waits. Raises OSError."""
        with self._changed:
            if self._is_closed:
                return
            is_free = not self._lines and not self._is_writing
            sent = send_now(self._channel, line) if is_free else 0
            if sent == len(line):
                return
            self._lines.append((_BEGUN if sent else request_id, line[sent:]))
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="authd-writer", daemon=True)
                self._writer.start()
            self._changed.notify()

    def withdraw(self, request_id: int) -> bool:
        """Removes the line of a request; False if it has begun to be written before."""
        with self._changed:
            for line in self._lines:
                if line[0] == request_id:
                    self._lines.remove(line)
                    return True
        return False

    def close(self) -> None:
        """Throws away what waits. The end of the channel is another's to bring about."""
        with self._changed:
            self._is_closed = True
            self._lines.clear()
            self._changed.notify()

    def _write(self) -> None:
        try:
            while (line := self._take()) is not None:
                self._channel.sendall(line)
        except OSError:
            self._on_failure()

    def _take(self) -> Optional[bytes]:
        with self._changed:
            self._is_writing = False
            self._changed.wait_for(lambda: self._lines or self._is_closed)
            if self._is_closed:
                return None
            self._is_writing = True
            return self._lines.popleft()[1]
