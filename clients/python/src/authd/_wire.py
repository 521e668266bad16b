"""Messages on the socket: lines of JSON, and what may be sent again."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional, Union

from .errors import InvalidParamsError, RequestFailedError, RequestTooLargeError

#: Bytes of a request; the daemon accepts no longer one.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
#: Bytes of a body that goes in one message; a longer one goes in parts.
SHORT_BODY = 1024 * 1024
#: Bytes of a part: smaller ones cost more messages, larger ones hold up other programs.
CHUNK_BYTES = 128 * 1024
#: Parts that are sent before the first of them is answered.
WINDOW = 8
#: How much longer (s) than a call's timeout the daemon may take: a person may have to say yes first.
GRACE = 65.0
DEFAULT_TIMEOUT = 30.0
#: The daemon ends a sign-in after half an hour at the latest.
LOGIN_TIMEOUT = 31 * 60.0
#: A stream ends when its caller wants it to: the longest time (ms) that authd takes.
NO_TIMEOUT_MS = 86_400_000

Json = dict[str, Any]

_REPEATABLE = {
    *("initialize", "getToken", "credentials/list", "credentials/show", "status", "events"),
    *("reload", "approvals/pending", "audit/head", "subscribe", "unsubscribe", "lock"),
    *("login/start", "credentials/discover", "credentials/introspect", "tokenFiles/list"),
}
_IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


def may_repeat(method: str, params: Mapping[str, Any]) -> bool:
    """True if a request whose connection ended without an answer may be sent once more."""
    if method == "authorizedRequest":
        return (params.get("method") or "GET").upper() in _IDEMPOTENT
    return method in _REPEATABLE


def timeout_of(method: str, params: Mapping[str, Any]) -> float:
    """Returns how long (s) the daemon may work on a request."""
    given = params.get("timeoutMs")
    if isinstance(given, (int, float)):
        return given / 1000
    return LOGIN_TIMEOUT if method == "login/finish" else DEFAULT_TIMEOUT


def present(members: Mapping[str, Any]) -> Json:
    """Returns the members that are given."""
    return {name: value for name, value in members.items() if value is not None}


def token_params(
    credential: str,
    min_validity: Optional[float] = None,
    scope: Optional[str] = None,
    audience: Optional[str] = None,
    force_refresh: bool = False,
    rejected_token: Optional[str] = None,
    timeout: Optional[float] = None,
    method: Optional[str] = None,
    url: Optional[str] = None,
    interactive: bool = False,
) -> Json:
    """Params of `getToken`."""
    return present(
        {
            "credential": credential,
            "minValidity": min_validity,
            "scope": scope,
            "audience": audience,
            "forceRefresh": force_refresh or None,
            "rejectedToken": rejected_token,
            "timeoutMs": milliseconds(timeout),
            "method": method,
            "url": url,
            "interactive": interactive or None,
        }
    )


def milliseconds(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else round(seconds * 1000)


def request_params(
    credential: str,
    method: str,
    url: str,
    headers: Optional[Mapping[str, str]],
    timeout: Optional[float],
    max_response_bytes: Optional[int] = None,
) -> Json:
    """Params of an authorized request without its body."""
    return present(
        {
            "credential": credential,
            "method": method,
            "url": url,
            "headers": dict(headers) if headers else None,
            "timeoutMs": milliseconds(timeout),
            "maxResponseBytes": max_response_bytes,
        }
    )


def bytes_of(body: Union[str, bytes, None], json_body: Any, params: Json) -> Optional[bytes]:
    """Returns the body as bytes. `json_body` sets the content type unless one is given."""
    if json_body is None:
        return body.encode() if isinstance(body, str) else body
    if body is not None:
        raise InvalidParamsError("A request has a body or json, not both.")
    headers = params.setdefault("headers", {})
    if not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = "application/json"
    return json.dumps(json_body).encode()


def encode(message: Json) -> bytes:
    """Returns a message as it goes over the socket."""
    try:
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = line.encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise InvalidParamsError(f"The params are no JSON: {error}.") from error
    if len(data) > MAX_REQUEST_BYTES:
        raise RequestTooLargeError(
            f"The request takes {len(data)} bytes; authd accepts {MAX_REQUEST_BYTES} in one message."
        )
    return data


def request_message(request_id: int, method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def encode_cancel(request_id: int) -> bytes:
    return encode({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": request_id}})


def encode_body(body: bytes) -> Json:
    """Returns the member of a request that carries a short body."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": b64encode(body).decode()}


def slices(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Cuts parts that are too long for one message."""
    for part in parts:
        for start in range(0, len(part), CHUNK_BYTES):
            yield part[start : start + CHUNK_BYTES]


class LineBuffer:
    """Cuts what comes into messages. Raises ValueError at what is no JSON."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Json]:
        begin = len(self._held)
        self._held += data
        end = self._held.rfind(b"\n", begin)
        if end < 0:
            return []
        whole = bytes(self._held[:end])
        del self._held[: end + 1]
        messages = [json.loads(line) for line in whole.split(b"\n") if line.strip()]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("a message is no object")
        return messages


class BodyCheck:
    """Puts a streamed answer together, and notices if a part of it is missing."""

    def __init__(self) -> None:
        self._chunks = 0
        self._bytes = 0

    def take(self, params: Mapping[str, Any]) -> bytes:
        if params.get("seq") != self._chunks:
            raise RequestFailedError(f"The answer is not whole: chunk {self._chunks} did not come.")
        data = b64decode(params["data"])
        self._chunks += 1
        self._bytes += len(data)
        return data

    def assert_whole(self, result: Mapping[str, Any]) -> None:
        if (result.get("chunks"), result.get("bytes")) != (self._chunks, self._bytes):
            text = f"{self._bytes} of {result.get('bytes')} bytes came"
            raise RequestFailedError(f"The answer is not whole: {text}.")
