/** Messages as other people's clients send them, byte for byte, and what comes back. */
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { type Framing, frame } from "../../src/rpc/frame-parser.ts";
import { RawClient, startWire } from "../helpers/wire.ts";

const get = (id: string, more = "") =>
  `{"jsonrpc":"2.0","id":${id},"method":"getToken","params":{"credential":"demo"${more}}}`;

/** A connection to a server with a `status` that takes nothing. */
async function open(t: ExecutionContext, framing: Framing = "lines") {
  const status = () => ({ pid: 7 }) as never;
  const initialize = (given: object) => given as never;
  const { path } = await startWire(t, { status, initialize });
  return RawClient.open(t, path, framing);
}

/** The next answer as text. */
async function textOfNext(client: RawClient): Promise<string> {
  const before = client.received.length;
  await client.next();
  return client.received.slice(before);
}

for (const id of [
  ...["0", "-0", "1.0", "1e0", "-1", "1.5", "0.1000", "9007199254740991", "9007199254740993"],
  ...["18446744073709551615", "-9223372036854775808", "1e400", "-1E+400", "1e-400"],
  ...["123456789012345678901234567890.5", '"1.0"', '"n1"', '""', "9".repeat(256)],
]) {
  for (const [where, request] of [
    ["in front", get(id)],
    [
      "after the method",
      `{"jsonrpc" : "2.0" , "method":"getToken","id" : ${id} ,"params":{"credential":"demo"}}`,
    ],
    [
      "behind params with members of the same name",
      `{"method":"getToken","params":{"credential":"demo","id":7,"a":[{"id":8},"\\"id\\":9,\\\\"]},"id":${id},"jsonrpc":"2.0"}`,
    ],
  ] as const) {
    test(`an id written ${id.slice(0, 40)} ${where} is answered as it was written`, async (t) => {
      const client = await open(t);
      client.socket.write(`${request}\n`);
      const text = await textOfNext(client);
      t.true(text.startsWith(`{"jsonrpc":"2.0","id":${id},"result":{`), text);
    });
  }
}

test("ids that are one number, written differently, are two, also for cancelling", async (t) => {
  const { path } = await startWire(t, { getToken: () => new Promise(() => {}) });
  const client = await RawClient.open(t, path);
  client.socket.write(`${get("1")}\n${get("1.0")}\n${get("1e400")}\n`);
  for (const id of ["1e400", "1.0", "1"]) {
    client.socket.write(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id": ${id} }}\n`);
    const text = await textOfNext(client);
    t.true(text.startsWith(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32800,`), text);
  }
});

test("an id of more than 256 bytes is refused, and named", async (t) => {
  const client = await open(t);
  for (const id of [`"${"a".repeat(257)}"`, `"${"é".repeat(129)}"`, "1".repeat(257)]) {
    client.socket.write(`${get(id)}\n`);
    const text = await textOfNext(client);
    t.true(text.includes('"error":{"code":-32600,'), text);
    t.true(text.includes('"reason":"invalid_params"'), text);
  }
  for (const id of ["a".repeat(256), "é".repeat(128)]) {
    client.request(id, "getToken", { credential: "demo" });
    t.is((await client.next())?.id, id);
  }
});

test("an invalid message is answered with its id as it was written", async (t) => {
  const client = await open(t);
  client.socket.write('{"id":1.50,"method":"getToken"}\n');
  t.regex(await textOfNext(client), /^\{"jsonrpc":"2\.0","id":1\.50,"error":\{"code":-32600,/);
  client.socket.write('{"jsonrpc":"2.0","id":2e400,"method":"getToken","params":["demo"]}\n');
  t.regex(await textOfNext(client), /^\{"jsonrpc":"2\.0","id":2e400,"error":\{"code":-32602,/);
});

for (const framing of ["lines", "base"] as const) {
  test(`${framing}: a batch gets a list of errors, each with its id`, async (t) => {
    const client = await open(t, framing);
    const parts = [
      ...[get("1"), get('"two"'), get("3.0"), get("null"), get("{}")],
      ...['{"jsonrpc":"2.0","method":"getToken"}', '{"id":7}', "5", '"x"', "[]"],
      ...['{"jsonrpc":"2.0","id":8,"result":{}}', '{"jsonrpc":"2.0","id":9,"error":{}}'],
    ];
    const batch = ` [ ${parts.join(" ,\t")} ] `;
    client.socket.write(frame(framing, batch, batch.length));
    const answers = (await client.next()) as unknown as { id: unknown; error: { code: number } }[];
    t.deepEqual(
      answers.map(({ id, error }) => [id, error.code]),
      [1, "two", 3, null, null, null, 7, null, null, null].map((id) => [id, -32600]),
    );
    t.true(client.received.includes('"id":3.0,'));
    client.send({ jsonrpc: "2.0", id: "after", method: "status" });
    t.is((await client.next())?.id, "after");
  });
}

test("a batch of more than 100 gets one error, and one of responses none", async (t) => {
  const client = await open(t);
  client.send(Array.from({ length: 101 }, (_, id) => ({ jsonrpc: "2.0", id, method: "status" })));
  t.like(await client.next(), { id: null, error: { code: -32600 } });
  client.send(Array.from({ length: 100 }, (_, id) => ({ jsonrpc: "2.0", id, method: "status" })));
  t.is(((await client.next()) as unknown as unknown[]).length, 100);
  client.send([{ jsonrpc: "2.0", id: 1, result: {} }]);
  client.request("after", "status");
  t.is((await client.next())?.id, "after");
});

for (const [who, framing, sent] of [
  ["lsp4j", "base", '{"jsonrpc":"2.0","id":"1","method":"status","params":null}'],
  ["jsonrpc.el", "base", '{"jsonrpc":"2.0","id":1,"method":"status","params":null}'],
  ["pygls", "base", '{"id": 1, "params": null, "method": "status", "jsonrpc": "2.0"}'],
  ["Neovim", "base", '{"id":1,"method":"status","jsonrpc":"2.0","params":[]}'],
  ["Go", "lines", '{"method":"status","params":null,"id":1}'.replace("}", ',"jsonrpc":"2.0"}')],
  ["PHP", "lines", '{"jsonrpc":"2.0","id":1,"method":"status","params":[]}'],
  [
    "PHP, pretty",
    "base",
    '{\r\n    "jsonrpc": "2.0",\r\n    "id": 1,\r\n    "method": "status",\r\n    "params": [ ]\r\n}',
  ],
] as const) {
  test(`params that are absent as ${who} writes it`, async (t) => {
    const client = await open(t, framing);
    client.socket.write(frame(framing, sent, sent.length));
    t.deepEqual((await client.next())?.result, { pid: 7 });
  });
}

test("an optional member that is null is absent, and so is PHP's empty object", async (t) => {
  const seen: unknown[] = [];
  const note = (given: unknown) => {
    seen.push(given);
    throw new AuthdError("timeout", "seen");
  };
  const { path } = await startWire(t, {
    getToken: note,
    authorizedRequest: note,
    "credentials/add": note,
    "vault/import": note,
  });
  const client = await RawClient.open(t, path);
  const ask = async (method: string, params: object) => {
    client.request(1, method, params);
    return (await client.next())?.error?.data.reason;
  };
  const absent = { scope: null, minValidity: null, forceRefresh: null, timeoutMs: null };
  t.is(await ask("getToken", { credential: "a", ...absent }), "timeout");
  const url = "https://api.example/";
  const more = { headers: [], body: null, stream: null, streamToken: null };
  t.is(await ask("authorizedRequest", { credential: "a", url, ...more }), "timeout");
  const added = { name: "a", preset: null, settings: { scope: null }, secrets: [] };
  t.is(await ask("credentials/add", added), "timeout");
  t.is(await ask("vault/import", { passphrase: "p", replace: null, only: [] }), "timeout");
  t.deepEqual(seen, [
    { credential: "a" },
    { credential: "a", url },
    { name: "a", settings: { scope: null } },
    { passphrase: "p", only: [] },
  ]);
});

test("null is no absence where a member is required, and none inside of a map", async (t) => {
  const client = await open(t);
  client.request(1, "getToken", { credential: null, scope: null });
  t.regex((await client.next())?.error?.message ?? "", /not right: credential: expected string/);
  const url = "https://api.example/";
  client.request(2, "authorizedRequest", { credential: "a", url, headers: { accept: null } });
  t.regex(
    (await client.next())?.error?.message ?? "",
    /not right: headers\.accept: expected string/,
  );
  client.request(3, "authorizedRequest", { credential: "a", url, headers: ["accept"] });
  t.is((await client.next())?.error?.code, -32602);
});

const BREAKS = "a\u2028b\u2029c\u0085d";

test("no character at which a line could end is written", async (t) => {
  const { path } = await startWire(t, {
    status: () => {
      throw new AuthdError("timeout", BREAKS);
    },
    subscribe: async (_, call) => {
      await call.notify("event", { seq: 1, at: 1, kind: "started", message: BREAKS });
      return {};
    },
  });
  for (const framing of ["lines", "base"] as const) {
    const client = await RawClient.open(t, path, framing);
    // Twice: what is kept for the second time is as it was.
    for (const id of [BREAKS, `${BREAKS}2`]) {
      client.request(id, "getToken", { credential: BREAKS });
      t.like(await client.next(), { id, result: { accessToken: BREAKS } });
    }
    client.request(1, "status");
    t.is((await client.next())?.error?.message, BREAKS);
    client.request(2, "subscribe");
    t.is((await client.next())?.params?.message, BREAKS);
    t.deepEqual((await client.next())?.result, {});
    client.request(3, BREAKS);
    t.true((await client.next())?.error?.message.includes("\u2028"));
    const text = Buffer.from(client.received, "latin1").toString();
    t.notRegex(text, /[\u0085\u2028\u2029]/);
    t.true(text.includes("a\\u2028b\\u2029c\\u0085d"));
  }
});

for (const framing of ["lines", "base"] as const) {
  test(`${framing}: a byte order mark in front is skipped, however it is cut`, async (t) => {
    const { path } = await startWire(t);
    const bytes = Buffer.from(`\ufeff${frame(framing, get("1"), get("1").length)}`);
    for (const cut of [0, 1, 2, 3, 4]) {
      const client = await RawClient.open(t, path, framing);
      client.socket.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 5));
      client.socket.write(bytes.subarray(cut));
      t.is((await client.next())?.result?.accessToken, "demo", `cut after ${cut}`);
    }
  });

  test(`${framing}: a byte order mark in front of any message is skipped`, async (t) => {
    const client = await open(t, framing);
    const message = `\ufeff${get("1")}`;
    const framed = frame(framing, message, Buffer.byteLength(message));
    client.socket.write(framed + framed.replace('"id":1', '"id":2'));
    t.deepEqual(
      (await client.take(2)).map(({ id }) => id),
      [1, 2],
    );
  });
}
