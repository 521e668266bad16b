"""authd for `requests`: a session whose requests authd sends, and an auth class.

from authd.requests import AuthdAuth, session

labelf = session("labelf")                     # this process never sees the token
labelf.get("https://api.app.labelf.ai/v2/models").json()

requests.get(url, auth=AuthdAuth("labelf"))    # requests sends it, and renews after a 401
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional, Union

import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict

from ._exchange import Stream
from .client import Client
from .errors import AuthdError, TimeoutError
from .results import Token

#: Headers of a connection between this program and an API: there is none, authd has its own.
_OF_A_CONNECTION = {
    *("host", "connection", "content-length", "keep-alive", "te", "trailer"),
    *("transfer-encoding", "upgrade", "expect"),
}


class AuthdAuth(AuthBase):
    """Adds what an API wants to each request, and sends one with a new token after a 401."""

    def __init__(self, credential: str, client: Optional[Client] = None) -> None:
        self._credential = credential
        self._client = client or Client()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._client.get_token(self._credential, method=request.method, url=request.url)
        _authorize(request, token)
        start = getattr(request.body, "tell", lambda: None)()

        def renew(response: requests.Response, **options: Any) -> requests.Response:
            if response.status_code != 401 or _is_spent(request.body, start):
                return response
            renewed = self._client.get_token(
                self._credential,
                rejected_token=token.access_token,
                method=request.method,
                url=request.url,
            )
            _ = response.content
            response.close()
            again = response.request.copy()
            again.hooks = {"response": []}
            if start is not None:
                again.body.seek(start)  # type: ignore[union-attr]
            _authorize(again, renewed)
            sent: requests.Response = response.connection.send(again, **options)
            sent.history.append(response)
            sent.request = again
            return sent

        request.register_hook("response", renew)  # type: ignore[no-untyped-call]
        return request


def _authorize(request: requests.PreparedRequest, token: Token) -> None:
    request.headers.update(token.headers)
    if token.query:
        request.prepare_url(request.url or "", dict(token.query))


def _is_spent(body: Any, start: Optional[int]) -> bool:
    """True of a body that was an iterator: it can't be sent again."""
    return body is not None and not isinstance(body, (str, bytes)) and start is None


class AuthdAdapter(BaseAdapter):
    """Sends each request through authd. Statuses of 400 and more are answers, as ever."""

    def __init__(self, credential: str, client: Optional[Client] = None) -> None:
        super().__init__()
        self._credential = credential
        self._client = client or Client()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Union[None, float, tuple[float, float], tuple[float, None]] = None,
        verify: Union[bool, str] = True,
        cert: Any = None,
        proxies: Optional[Mapping[str, str]] = None,
    ) -> requests.Response:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
            if name.lower() not in _OF_A_CONNECTION
        }
        try:
            answer = self._client.stream(
                *(self._credential, request.method or "GET", request.url or ""),
                headers=headers,
                body=_body_of(request.body),
                timeout=timeout[1] if isinstance(timeout, tuple) else timeout,
            )
        except TimeoutError as error:
            raise requests.ReadTimeout(error, request=request) from error
        except AuthdError as error:
            raise requests.ConnectionError(error, request=request) from error
        return self._response(request, answer)

    def close(self) -> None:
        """Nothing is kept open."""

    def _response(self, request: requests.PreparedRequest, answer: Stream) -> requests.Response:
        headers = HTTPHeaderDict()
        for name, value in answer.headers.items():
            for one in value if isinstance(value, list) else [value]:
                headers.add(name, one)
        response = requests.Response()
        response.status_code = answer.status
        response.reason = answer.reason
        response.url = answer.url
        response.headers = CaseInsensitiveDict(headers.items())
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.raw = HTTPResponse(
            body=io.BufferedReader(_Raw(answer)),
            headers=headers,
            status=answer.status,
            reason=answer.reason,
            preload_content=False,
            request_method=request.method,
        )
        response.raw._original_response = _Cookies(headers)  # type: ignore[assignment]
        extract_cookies_to_jar(response.cookies, request, response.raw)  # type: ignore[no-untyped-call]
        response.request = request
        response.connection = self  # type: ignore[assignment]
        return response


def session(credential: str, client: Optional[Client] = None) -> requests.Session:
    """Returns a session whose requests authd sends, with the headers of `credential`."""
    made = requests.Session()
    adapter = AuthdAdapter(credential, client)
    for scheme in ("https://", "http://"):
        made.mount(scheme, adapter)
    # Neither a netrc file nor a proxy has a say: authd sends the request.
    made.trust_env = False
    return made


def _body_of(body: Any) -> Union[str, bytes, Iterable[bytes], None]:
    if hasattr(body, "read"):
        return iter(lambda: body.read(128 * 1024), b"")
    given: Union[str, bytes, Iterable[bytes], None] = body
    return given


class _Raw(io.RawIOBase):
    """A streamed answer as a file. Errors of authd are OSErrors to its reader's eyes only if they are so."""

    def __init__(self, answer: Stream) -> None:
        self._answer = answer
        self._chunks: Iterator[bytes] = iter(answer)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        self._answer.close()
        super().close()


class _Cookies:
    """What the cookie jar of `requests` reads a response's cookies from."""

    def __init__(self, headers: HTTPHeaderDict) -> None:
        self.msg = self
        self._headers = headers

    def isclosed(self) -> bool:
        return True

    def get_all(self, name: str, default: Any = None) -> list[str]:
        return list(self._headers.getlist(name)) or default or []
