"""Prints the microseconds of each of N calls of get_token, for bench/clients.ts: CREDENTIAL N."""

import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/src")

from authd import Client  # noqa: E402

credential, calls = sys.argv[1], int(sys.argv[2])
client = Client()
for _ in range(calls // 10):
    client.get_token(credential)
for _ in range(calls):
    started_at = time.perf_counter()
    client.get_token(credential)
    print((time.perf_counter() - started_at) * 1_000_000)
