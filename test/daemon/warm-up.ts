import test from "ava";
import { warmUp } from "../../src/daemon/warm-up.ts";
import { createHttp } from "../../src/http/http.ts";
import { memoryServer } from "../../src/http/memory-server.ts";

test("what the first token request runs is run beforehand", async (t) => {
  await t.notThrowsAsync(warmUp());
});

test("a request to a server in memory is answered, each time, and it reaches no network", async (t) => {
  const http = createHttp({ connect: memoryServer({ ok: true }) });
  t.teardown(() => http.close());
  for (let round = 0; round < 2; round++) {
    const response = await http({
      method: "POST",
      url: "https://nowhere.invalid/",
      headers: {},
      body: "x",
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response.body) chunks.push(chunk as Buffer);
    t.is(response.status, 200);
    t.is(Buffer.concat(chunks).toString(), '{"ok":true}');
  }
});
