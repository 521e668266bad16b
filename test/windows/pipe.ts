/** The named pipe: both framings, several clients, two daemons; commands over it. */

import { foreignPipe } from "../helpers/windows/foreign-pipe.ts";
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

windowsTest("a pipe has one daemon, and so has a vault", async (t, windows) => {
  const home = windowsHome(t, windows);
  const first = await home.serve();
  const other = windowsHome(t, windows);
  const samePipe = await other.cli(["serve"], { env: { AUTHD_SOCKET: home.pipe } });
  t.is(samePipe.code, 1);
  t.regex(samePipe.stderr, /A daemon answers on .* already/);
  const sameVault = await other.cli(["serve"], {
    env: { AUTHD_STATE_DIR: home.env.AUTHD_STATE_DIR },
  });
  t.is(sameVault.code, 1);
  t.regex(sameVault.stderr, /The vault .* is in use by another authd \(process \d+\)/);
  // A daemon that was killed leaves neither the pipe nor the lock behind.
  await first.kill();
  await home.serve();
  const { code, stdout } = await home.cli(["status"]);
  t.is(code, 0);
  t.regex(stdout, /listening on .*authd-test-/);
});

windowsTest("a credential is added, used, noted and removed", async (t, windows) => {
  const home = windowsHome(t, windows);
  const daemon = await home.serve();
  await home.addOrders();
  t.is((await home.cli(["get", "orders"])).stdout, "made-up-token\n");
  t.regex((await home.cli(["audit", "--json"])).stdout, /"method":"getToken"/);
  t.is((await home.cli(["remove", "orders", "--yes"])).code, 0);
  const missing = await home.cli(["get", "orders"]);
  t.regex(missing.stderr, /There is no credential "orders"/);
  const stopped = await home.cli(["stop"]);
  t.regex(stopped.stdout, /has ended/);
  t.is((await daemon.ended).code, 0);
});

windowsTest("nothing is sent to a pipe of somebody else", async (t, windows) => {
  const home = windowsHome(t, windows);
  const foreign = await foreignPipe(t, windows);
  const env = { AUTHD_SOCKET: foreign.pipe };
  for (const words of [["get", "orders"], ["status"]]) {
    const { code, stderr } = await home.cli(words, { env });
    t.is(code, 3);
    t.regex(stderr, /No daemon answers on .* \(it is user S-1-5-21-1-2-3-1001's, and you are S-/);
  }
  t.deepEqual(await foreign.came(2), [0, 0]);
});
