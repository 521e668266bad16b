/** The named pipe: both framings, several clients; commands over it. */

import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { RawClient } from "../helpers/wire.ts";

const windowsTest = onWindows();

windowsTest("the pipe speaks both framings, to several clients at once", async (t, windows) => {
  const home = windowsHome(t, windows);
  await home.serve();
  const path = await windows.forward(home.pipe);
  const clients = await Promise.all([
    RawClient.open(t, path, "lines"),
    RawClient.open(t, path, "base"),
    RawClient.open(t, path, "base"),
  ]);
  for (const [index, client] of clients.entries()) client.request(index, "status");
  for (const [index, client] of clients.entries()) {
    const answer = await client.next();
    t.is(answer?.id, index);
    t.is(answer?.result?.socket, home.pipe);
  }
  t.regex(clients[1]!.received, /^Content-Length: \d+\r\n\r\n\{/i);
});

windowsTest("a credential is added, used, noted and removed", async (t, windows) => {
  const home = windowsHome(t, windows);
  const daemon = await home.serve();
  const added = await home.cli(
    [
      ...["add", "orders", "--grant", "static", "--set", "origins=https://api.example.com"],
      ...["--secrets-from", "-"],
    ],
    { input: JSON.stringify({ token: "made-up-token" }) },
  );
  t.is(added.code, 0, added.stderr);
  t.is((await home.cli(["get", "orders"])).stdout, "made-up-token\n");
  t.regex((await home.cli(["audit", "--json"])).stdout, /"method":"getToken"/);
  t.is((await home.cli(["remove", "orders", "--yes"])).code, 0);
  const missing = await home.cli(["get", "orders"]);
  t.regex(missing.stderr, /There is no credential "orders"/);
  const stopped = await home.cli(["stop"]);
  t.regex(stopped.stdout, /has ended/);
  t.is((await daemon.ended).code, 0);
});
