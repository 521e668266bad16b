"""The client, requests and httpx at the daemon of `authd sandbox`: test/clients/python.ts runs this.

LABELF_URL is the practice API's address; AUTHD_SOCKET is the daemon's.
"""

import ast
import asyncio
import logging
import os
import pprint
import resource
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import httpx
import requests

import authd
from authd.aio import AsyncClient
from authd.httpx import AsyncAuthdTransport, AuthdTransport
from authd.httpx import AuthdAuth as HttpxAuth
from authd.requests import AuthdAuth, session

URL = os.environ["LABELF_URL"]
MODELS = f"{URL}/v2/models"
INFERENCE = f"{URL}/v2/models/7/inference"
QUESTION = {"texts": ["Breakfast was not tasty"], "max_predictions": 2}


class Core(unittest.TestCase):
    def test_token_and_request(self):
        token = authd.get_token("labelf")
        self.assertTrue(token.headers["authorization"].startswith("Bearer "))
        self.assertNotIn(token.access_token, repr(token))
        response = authd.request("labelf", "POST", INFERENCE, json=QUESTION)
        self.assertEqual(response.status, 200)
        self.assertIn("label", response.text)

    def test_a_token_does_not_show_itself(self):
        headers, members = {"authorization": "hidden 2"}, {"of": "hidden 3"}
        told = {"accessToken": "hidden 1", "tokenType": "Bearer", "headers": headers}
        token = authd.Token.of({**told, "query": members, "body": members, "extra": members})
        kept = {"token": token, "tokens": [token, (token,)]}
        shown = f"{token} {token!r} {kept} {pprint.pformat(kept)}"
        with self.assertLogs() as logs:
            logging.getLogger().warning("%s %r %s", token, token, kept)
        self.assertNotIn("hidden", shown + "".join(logs.output))

    def test_errors_are_exceptions(self):
        with self.assertRaises(authd.UnknownCredentialError) as caught:
            authd.get_token("lablef")
        self.assertEqual(caught.exception.reason, "unknown_credential")
        with self.assertRaises(authd.OriginNotAllowedError):
            authd.request("labelf", "GET", "https://example.com/")
        with self.assertRaises(authd.NoDaemonError):
            authd.Client("/nowhere/authd.sock").get_token("labelf")
        with self.assertRaises(authd.InvalidParamsError):
            authd.Client().call("getToken", {"credential": {1, 2}})

    def test_threads_share_a_client(self):
        client = authd.Client()
        tokens = []

        def work():
            for _ in range(20):
                tokens.append(client.get_token("labelf").access_token)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(tokens), 160)
        self.assertEqual(client.call("status")["connections"] >= 1, True)

    def test_fork_gets_a_connection_of_its_own(self):
        client = authd.Client()
        before = client.get_token("labelf").access_token
        child = os.fork()
        if child == 0:
            same = all(client.get_token("labelf").access_token == before for _ in range(20))
            os._exit(0 if same else 1)
        for _ in range(20):
            self.assertEqual(client.get_token("labelf").access_token, before)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_a_stream_that_nobody_reads_is_a_timeout(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(f"{folder}/authd.sock")
            deaf.listen()
            client = authd.Client(f"{folder}/authd.sock", grace=0)
            with self.assertRaises(authd.TimeoutError):
                client.stream("a", "POST", INFERENCE, body=b"x" * 900_000, timeout=0.1)

    def test_a_body_in_parts_with_many_open_files(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            parts = iter([b'{"texts": ["', b'hello"], "max_predictions": 2}'])
            headers = {"content-type": "application/json"}
            with authd.stream("labelf", "POST", INFERENCE, headers=headers, body=parts) as answer:
                self.assertIn(b"label", answer.read())
        finally:
            for file in files:
                os.close(file)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_fork_in_a_loop_gets_a_connection_of_its_own(self):
        client = AsyncClient()

        async def ask():
            return {(await client.get_token("labelf")).access_token for _ in range(20)}

        async def fork():
            before = await ask()
            child = os.fork()
            if child == 0:
                os._exit(0 if asyncio.run(ask()) == before else 1)
            same = await ask()
            _, status = os.waitpid(child, 0)
            return before | same | await ask(), os.waitstatus_to_exitcode(status)

        tokens, code = asyncio.run(fork())
        self.assertEqual((len(tokens), code), (1, 0))

    def test_one_async_client_in_several_loops(self):
        client = AsyncClient()

        async def ask():
            tokens = await asyncio.gather(*(client.get_token("labelf") for _ in range(20)))
            return {token.access_token for token in tokens}

        self.assertEqual(asyncio.run(ask()), asyncio.run(ask()))

    def test_syntax_is_that_of_the_oldest_python(self):
        for file in Path(authd.__file__).parent.rglob("*.py"):
            ast.parse(file.read_text(), feature_version=(3, 9))


class Requests(unittest.TestCase):
    def test_session(self):
        with session("labelf") as labelf:
            self.assertIn("Guest reviews", labelf.get(MODELS).text)
            posted = labelf.post(INFERENCE, json=QUESTION)
            self.assertEqual(posted.status_code, 200)
            self.assertEqual(posted.headers["Content-Type"], "application/json")
            self.assertNotIn("authorization", posted.request.headers)
            parts = iter([b'{"texts": ["', b'hello"], "max_predictions": 2}'])
            streamed = labelf.post(
                INFERENCE, data=parts, headers={"content-type": "application/json"}, stream=True
            )
            self.assertIn(b"label", b"".join(streamed.iter_content(7)))
            self.assertEqual(streamed.status_code, 200)
            with self.assertRaises(requests.ConnectionError) as caught:
                labelf.get("https://example.com/")
            self.assertIsInstance(caught.exception.__cause__, authd.OriginNotAllowedError)

    def test_auth_renews_a_refused_token(self):
        auth = AuthdAuth("labelf", Stale())
        response = requests.post(INFERENCE, json=QUESTION, auth=auth)
        self.assertEqual(response.status_code, 200)
        self.assertEqual([each.status_code for each in response.history], [401])


class Httpx(unittest.TestCase):
    def test_transport(self):
        with httpx.Client(transport=AuthdTransport("labelf")) as labelf:
            self.assertIn("Guest reviews", labelf.get(MODELS).text)
            self.assertEqual(labelf.post(INFERENCE, json=QUESTION).status_code, 200)
            with self.assertRaises(httpx.ConnectError) as caught:
                labelf.get("https://example.com/")
            self.assertIsInstance(caught.exception.__cause__, authd.OriginNotAllowedError)

    def test_async_transport(self):
        async def parts():
            yield b'{"texts": ["'
            yield b'hello"], "max_predictions": 2}'

        async def ask():
            async with httpx.AsyncClient(transport=AsyncAuthdTransport("labelf")) as labelf:
                headers = {"content-type": "application/json"}
                async with labelf.stream("POST", INFERENCE, content=parts(), headers=headers) as answer:
                    body = b"".join([chunk async for chunk in answer.aiter_bytes()])
                return answer.status_code, body, (await labelf.get(MODELS)).text

        status, body, models = asyncio.run(ask())
        self.assertEqual(status, 200)
        self.assertIn(b"label", body)
        self.assertIn("Guest reviews", models)

    def test_auth_renews_a_refused_token(self):
        auth = HttpxAuth("labelf", Stale(), AsyncStale())
        self.assertEqual(httpx.post(INFERENCE, json=QUESTION, auth=auth).status_code, 200)

        async def ask():
            async with httpx.AsyncClient(auth=auth) as client:
                return await client.post(INFERENCE, json=QUESTION)

        self.assertEqual(asyncio.run(ask()).status_code, 200)


def revoked(token):
    """A token as it is after its end, until the API has refused it."""
    from dataclasses import replace

    headers = {"authorization": "Bearer revoked"}
    return replace(token, access_token="revoked", headers=headers)


class Stale(authd.Client):
    def get_token(self, credential, **options):
        token = super().get_token(credential, **options)
        return token if options.get("rejected_token") == "revoked" else revoked(token)


class AsyncStale(AsyncClient):
    async def get_token(self, credential, **options):
        token = await super().get_token(credential, **options)
        return token if options.get("rejected_token") == "revoked" else revoked(token)


if __name__ == "__main__":
    if sys.version_info < (3, 9):
        sys.exit("Python 3.9 or newer")
    unittest.main()
