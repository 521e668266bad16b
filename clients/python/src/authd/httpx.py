"""authd for `httpx`: transports whose requests authd sends, and an auth class.

from authd.httpx import AsyncAuthdTransport, AuthdAuth, AuthdTransport

httpx.Client(transport=AuthdTransport("labelf"))           # this process never sees the token
httpx.AsyncClient(transport=AsyncAuthdTransport("labelf"))

httpx.get(url, auth=AuthdAuth("labelf"))    # httpx sends it, and renews after a 401
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from typing import Any, Optional, Union

import httpx

from ._async_exchange import AsyncStream
from ._exchange import Stream
from .aio import AsyncClient
from .client import Client
from .errors import AuthdError, InvalidParamsError, TimeoutError
from .results import Headers, Token

#: Headers of a connection between this program and an API: there is none, authd has its own.
_OF_A_CONNECTION = {
    *("host", "connection", "content-length", "keep-alive", "te", "trailer"),
    *("transfer-encoding", "upgrade", "expect"),
}


class AuthdAuth(httpx.Auth):
    """Adds what an API wants to each request, and sends it once more with a new token after a 401."""

    def __init__(
        self,
        credential: str,
        client: Optional[Client] = None,
        async_client: Optional[AsyncClient] = None,
    ) -> None:
        self._credential = credential
        self._client = client or Client()
        self._async_client = async_client or AsyncClient()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._client.get_token(self._credential, method=request.method, url=str(request.url))
        response = yield _authorized(request, token)
        if response.status_code == 401:
            renewed = self._client.get_token(
                self._credential,
                rejected_token=token.access_token,
                method=request.method,
                url=str(request.url),
            )
            yield _authorized(request, renewed)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._async_client.get_token(
            self._credential, method=request.method, url=str(request.url)
        )
        response = yield _authorized(request, token)
        if response.status_code == 401:
            renewed = await self._async_client.get_token(
                self._credential,
                rejected_token=token.access_token,
                method=request.method,
                url=str(request.url),
            )
            yield _authorized(request, renewed)


def _authorized(request: httpx.Request, token: Token) -> httpx.Request:
    request.headers.update(token.headers)
    if token.query:
        request.url = request.url.copy_merge_params(dict(token.query))
    return request


class AuthdTransport(httpx.BaseTransport):
    """Sends each request through authd, with bodies that stream both ways."""

    def __init__(self, credential: str, client: Optional[Client] = None) -> None:
        self._credential = credential
        self._client = client or Client()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            stream = self._client.stream(
                *(self._credential, request.method, str(request.url)),
                **_options(request),
                body=_sync_body(request),
            )
        except AuthdError as error:
            raise _transport_error(error, request) from error
        return httpx.Response(
            stream.status, headers=_pairs(stream.headers), stream=_SyncBody(stream, request)
        )


class AsyncAuthdTransport(httpx.AsyncBaseTransport):
    """As AuthdTransport, for `httpx.AsyncClient`."""

    def __init__(self, credential: str, client: Optional[AsyncClient] = None) -> None:
        self._credential = credential
        self._client = client or AsyncClient()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            stream = await self._client.stream(
                *(self._credential, request.method, str(request.url)),
                **_options(request),
                body=_async_body(request),
            )
        except AuthdError as error:
            raise _transport_error(error, request) from error
        return httpx.Response(
            stream.status, headers=_pairs(stream.headers), stream=_AsyncBody(stream, request)
        )


def _options(request: httpx.Request) -> dict[str, Any]:
    headers = {n: v for n, v in request.headers.items() if n.lower() not in _OF_A_CONNECTION}
    timeouts: Mapping[str, Optional[float]] = request.extensions.get("timeout", {})
    return {"headers": headers, "timeout": timeouts.get("read")}


def _sync_body(request: httpx.Request) -> Union[bytes, Iterator[bytes], None]:
    if isinstance(request.stream, httpx.ByteStream):
        return b"".join(request.stream) or None
    if isinstance(request.stream, httpx.SyncByteStream):
        return iter(request.stream)
    raise InvalidParamsError("An asynchronous body needs an AsyncAuthdTransport.")


def _async_body(request: httpx.Request) -> Union[bytes, AsyncIterator[bytes], None]:
    if isinstance(request.stream, httpx.ByteStream):
        return b"".join(request.stream) or None
    if isinstance(request.stream, httpx.AsyncByteStream):
        return request.stream.__aiter__()
    raise InvalidParamsError("A synchronous body needs an AuthdTransport.")


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return [
        (name, one)
        for name, value in headers.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def _transport_error(error: AuthdError, request: httpx.Request) -> httpx.TransportError:
    kind = httpx.ReadTimeout if isinstance(error, TimeoutError) else httpx.ConnectError
    return kind(str(error), request=request)


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: Stream, request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except AuthdError as error:
            raise httpx.ReadError(str(error), request=self._request) from error

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncStream, request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except AuthdError as error:
            raise httpx.ReadError(str(error), request=self._request) from error

    async def aclose(self) -> None:
        await self._stream.close()
