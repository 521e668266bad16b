"""What calls return."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

#: Names are lower case; `set-cookie` is a list.
Headers = Mapping[str, Union[str, list[str]]]


@dataclass(frozen=True)
class Token:
    """A token, and all that an API wants with it."""

    access_token: str = field(repr=False)
    token_type: str
    #: Seconds since the epoch, as `time.time()`; None: the issuer told no lifetime.
    expires_at: Optional[float]
    scope: Optional[str]
    #: Every header that the API wants, names in lower case, ready to send.
    headers: Mapping[str, str] = field(repr=False)
    #: Parameters that the API wants in the query, not encoded.
    query: Mapping[str, str] = field(repr=False)
    #: Members that the API wants in the body.
    body: Mapping[str, str] = field(repr=False)
    #: Values of the issuer's answer that the credential keeps.
    extra: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Token:
        expires_at_ms = result.get("expiresAt")
        return cls(
            access_token=result["accessToken"],
            token_type=result["tokenType"],
            expires_at=None if expires_at_ms is None else expires_at_ms / 1000,
            scope=result.get("scope"),
            headers=result.get("headers") or {},
            query=result.get("query") or {},
            body=result.get("body") or {},
            extra=result.get("extra") or {},
        )


@dataclass(frozen=True)
class Response:
    """An API's answer, whole. A status of 400 or more is no exception."""

    status: int
    reason: str
    #: After redirects.
    url: str
    headers: Headers
    content: bytes = field(repr=False)
    #: The token was renewed on the way, after a 401.
    refreshed: bool

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.content)

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Response:
        text = result.get("body")
        encoded = result.get("bodyBase64") or ""
        return cls(
            status=result["status"],
            reason=result.get("statusText") or "",
            url=result["url"],
            headers=result.get("headers") or {},
            content=b64decode(encoded) if text is None else text.encode(),
            refreshed=bool(result.get("refreshed")),
        )
