/** The native command, built for Windows, over the pipe. */

import { absent, missing } from "../helpers/optional.ts";
import { foreignPipe } from "../helpers/windows/foreign-pipe.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { cargoForWindows, lackingForRust } from "../helpers/windows/rust.ts";

const windowsTest = onWindows();
windowsTest("authd.exe gets a token over the pipe", async (t, windows) => {
  if (absent("cargo").length > 0) return missing(t, "cargo is not installed");
  const lacking = await lackingForRust();
  if (lacking !== undefined) return missing(t, lacking);
  const authd = await cargoForWindows(t, "native", "authd.exe");
  const home = windowsHome(t, windows);
  const get = (name: string) => windows.run(authd, ["get", name], { env: home.env });
  t.is((await get("orders")).code, 3, "there is no daemon");
  await home.serve();
  await home.addOrders();
  t.is((await get("orders")).stdout, "made-up-token\n");
  const none = await get("none");
  t.is(none.code, 4);
  t.regex(none.stderr, /There is no credential "none"/);

  const foreign = await foreignPipe(t, windows);
  const env = { ...home.env, AUTHD_SOCKET: foreign.pipe };
  const refused = await windows.run(authd, ["get", "orders"], { env });
  t.is(refused.code, 3);
  t.regex(refused.stderr, /belongs to user S-1-5-21-1-2-3-1001, not to you/);
  t.deepEqual(await foreign.came(1), [0]);
});
