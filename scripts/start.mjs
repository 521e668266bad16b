// npm start: installs, builds, and runs the sandbox; arguments go to it (npm start -- --once).
import { spawn } from "node:child_process";
import { join } from "node:path";
import { node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
const child = spawn(
  process.execPath,
  [join(root, "dist/src/main.js"), "sandbox", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
// The terminal sends Ctrl-C to both; wait for the sandbox to clean up.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
