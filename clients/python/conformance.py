"""The driver of the Python client for test/conformance; with --asyncio, of its AsyncClient."""

import asyncio
import json
import os
import queue
import re
import sys
import threading
from base64 import b64decode, b64encode

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))

from authd import AuthdError, Client  # noqa: E402
from authd.aio import AsyncClient  # noqa: E402
from authd.cancellation import Cancellation  # noqa: E402

FEATURES = ["concurrent", "cancel", "stream", "upload", "subscribe"]
_output = threading.Lock()


def write(line):
    with _output:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def snake(params):
    """Params of the protocol as keyword arguments of the client."""
    named = {re.sub("([A-Z])", lambda m: "_" + m[1].lower(), k): v for k, v in params.items()}
    if "timeout_ms" in named:
        timeout = named.pop("timeout_ms")
        named["timeout"] = timeout and timeout / 1000
    return named


def request_arguments(params):
    named = snake(params)
    if "body_base64" in named:
        named["body"] = b64decode(named.pop("body_base64"))
    return (named.pop("credential"), named.pop("method", "GET"), named.pop("url")), named


def token_result(token):
    expires_at = token.expires_at
    return {
        "accessToken": token.access_token,
        "tokenType": token.token_type,
        "expiresAt": expires_at and round(expires_at * 1000),
        "scope": token.scope,
        "headers": token.headers,
        "query": token.query or None,
        "body": token.body or None,
        "extra": token.extra or None,
    }


def response_result(response):
    try:
        body = {"body": response.content.decode()}
    except UnicodeDecodeError:
        body = {"bodyBase64": b64encode(response.content).decode()}
    return {
        "status": response.status,
        "statusText": response.reason,
        "url": response.url,
        "headers": response.headers,
        "refreshed": response.refreshed,
        **body,
    }


def head_of(stream):
    return {"status": stream.status, "url": stream.url, "headers": dict(stream.headers)}


def error_of(error):
    if not isinstance(error, AuthdError):
        return {"reason": "driver", "message": repr(error)}
    return {
        "reason": error.reason,
        "message": str(error),
        "credential": error.credential,
        "retryAfterMs": error.retry_after_ms,
        "oauth": error.oauth,
    }


class Driver:
    """Each call has a thread of its own."""

    def __init__(self):
        self.client = None
        self.cancellations = {}
        self.parts = {}

    def notified(self, name, params):
        write({"notification": name, "params": params})

    def run(self):
        for line in sys.stdin.buffer:
            command = json.loads(line)
            if command["do"] == "part":
                self.parts[command["of"]].put(None if command.get("last") else command["data"])
            elif command["do"] == "cancel":
                self.cancellations[command["of"]].cancel()
                if command["of"] in self.parts:
                    self.parts[command["of"]].put(None)
            else:
                self.cancellations[command["call"]] = Cancellation()
                self.parts[command["call"]] = queue.Queue()
                threading.Thread(target=self.carry_out, args=(command,), daemon=True).start()
        if self.client:
            self.client.close()

    def carry_out(self, command):
        call = command["call"]
        try:
            result = getattr(self, command["do"])(command, self.cancellations[call])
            write({"call": call, "result": result or {}})
        except Exception as error:
            write({"call": call, "error": error_of(error)})

    def connect(self, command, _):
        if self.client:
            self.client.close()
        grace = {"grace": command["graceMs"] / 1000} if "graceMs" in command else {}
        self.client = Client(command["socket"], **grace)

    def getToken(self, command, cancellation):  # noqa: N802
        params = snake(command["params"])
        return token_result(self.client.get_token(cancellation=cancellation, **params))

    def authorizedRequest(self, command, cancellation):  # noqa: N802
        args, named = request_arguments(command["params"])
        return response_result(self.client.request(*args, **named, cancellation=cancellation))

    def request(self, command, cancellation):
        return self.client.call(command["method"], command["params"], cancellation=cancellation)

    def subscribe(self, command, _):
        self.client.subscribe(self.notified, **command["params"])

    def unsubscribe(self, command, _):
        self.client.unsubscribe(**command["params"])

    def close(self, *_):
        self.client.close()

    def stream(self, command, cancellation):
        args, named = request_arguments(command["params"])
        parts = iter(self.parts[command["call"]].get, None)
        body = {"body": map(b64decode, parts)} if command.get("upload") else {}
        with self.client.stream(*args, **named, **body, cancellation=cancellation) as stream:
            write({"call": command["call"], "head": head_of(stream)})
            for chunk in stream:
                write({"call": command["call"], "chunk": b64encode(chunk).decode()})


class AsyncDriver:
    """Each call is a task."""

    def __init__(self):
        self.client = None
        self.tasks = {}
        self.parts = {}

    async def run(self):
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            command = json.loads(line)
            if command["do"] == "part":
                self.parts[command["of"]].put_nowait(None if command.get("last") else command["data"])
            elif command["do"] == "cancel":
                self.tasks[command["of"]].cancel()
            else:
                self.parts[command["call"]] = asyncio.Queue()
                self.tasks[command["call"]] = loop.create_task(self.carry_out(command))
                # The calls begin in the order of their commands.
                await asyncio.sleep(0)
        if self.client:
            await self.client.close()

    async def carry_out(self, command):
        call = command["call"]
        try:
            result = await getattr(self, command["do"])(command)
            write({"call": call, "result": result or {}})
        except asyncio.CancelledError:
            write({"call": call, "error": {"reason": "cancelled", "message": "the task was cancelled"}})
        except Exception as error:
            write({"call": call, "error": error_of(error)})

    async def connect(self, command):
        if self.client:
            await self.client.close()
        grace = {"grace": command["graceMs"] / 1000} if "graceMs" in command else {}
        self.client = AsyncClient(command["socket"], **grace)

    async def getToken(self, command):  # noqa: N802
        return token_result(await self.client.get_token(**snake(command["params"])))

    async def authorizedRequest(self, command):  # noqa: N802
        args, named = request_arguments(command["params"])
        return response_result(await self.client.request(*args, **named))

    async def request(self, command):
        return await self.client.call(command["method"], command["params"])

    def notified(self, name, params):
        write({"notification": name, "params": params})

    async def subscribe(self, command):
        await self.client.subscribe(self.notified, **command["params"])

    async def unsubscribe(self, command):
        await self.client.unsubscribe(**command["params"])

    async def close(self, _):
        await self.client.close()

    async def parts_of(self, call):
        while (data := await self.parts[call].get()) is not None:
            yield b64decode(data)

    async def stream(self, command):
        call = command["call"]
        args, named = request_arguments(command["params"])
        body = {"body": self.parts_of(call)} if command.get("upload") else {}
        async with await self.client.stream(*args, **named, **body) as stream:
            write({"call": call, "head": head_of(stream)})
            async for chunk in stream:
                write({"call": call, "chunk": b64encode(chunk).decode()})


if __name__ == "__main__":
    is_async = "--asyncio" in sys.argv
    write({"client": "python", "features": [*FEATURES, "duplex"] if is_async else FEATURES})
    if is_async:
        asyncio.run(AsyncDriver().run())
    else:
        Driver().run()
