/** The native command, built for Windows, over the pipe. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { windowsPath } from "../helpers/windows/host.ts";

const windowsTest = onWindows();
const TARGET = "x86_64-pc-windows-gnu";

interface Platforms {
  hasTarget(name: string): boolean;
}

windowsTest("authd.exe gets a token over the pipe", async (t, windows) => {
  if (absent("cargo").length > 0) return missing(t, "cargo is not installed");
  const { hasTarget } = (await import(join(ROOT, "scripts/native-platforms.mjs"))) as Platforms;
  if (!hasTarget("win32-x64"))
    return missing(t, `Rust has no ${TARGET} here (rustup target add ${TARGET})`);
  const folder = temporaryFolder(t);
  const build = ["build", "--locked", "--offline", "--quiet", "--target", TARGET];
  execFileSync("cargo", [...build, "--target-dir", folder], {
    cwd: join(ROOT, "native"),
    env: { ...process.env, CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER: "x86_64-w64-mingw32-gcc" },
    stdio: "pipe",
  });
  const authd = windowsPath(join(folder, TARGET, "debug/authd.exe"));
  const home = windowsHome(t, windows);
  const get = (name: string) => windows.run(authd, ["get", name], { env: home.env });
  t.is((await get("orders")).code, 3, "there is no daemon");
  await home.serve();
  await home.addOrders();
  t.is((await get("orders")).stdout, "made-up-token\n");
  const none = await get("none");
  t.is(none.code, 4);
  t.regex(none.stderr, /There is no credential "none"/);
});
