import { once } from "node:events";
import { get } from "node:http";
import { connect } from "node:net";
import test from "ava";
import { listenOnLoopback } from "../../../src/admin/login/loopback-listener.ts";
import { readRedirectUri } from "../../../src/grants/login/redirect-uri.ts";

test("connections of others that do nothing do not keep the browser's answer out", async (t) => {
  const { port, close } = await listenOnLoopback({
    credential: "demo",
    redirect: readRedirectUri("http://127.0.0.1/callback"),
    onCallback: async (parameters) => ({
      ...{ status: 200, headers: { connection: "close" } },
      body: `code ${parameters.get("code")}`,
    }),
  });
  t.teardown(close);
  for (let i = 0; i < 40; i++) {
    const idle = connect(port, "127.0.0.1");
    t.teardown(() => idle.destroy());
    idle.on("error", () => {});
    await once(idle, "connect");
  }
  const browser = get({ host: "127.0.0.1", port, path: "/callback?code=7", agent: false });
  const [response] = await once(browser, "response");
  t.is((await response.toArray()).join(""), "code 7");
});
