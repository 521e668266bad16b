// npm run test:native: builds the native command and runs its tests, and those that compare it with the Node
// command; arguments go to AVA. It needs cargo.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildNative, cargo, crate } from "./build-native.mjs";
import { hasTarget, PLATFORMS } from "./native-platforms.mjs";
import { bin, node, root, setup } from "./setup.mjs";

/** Some of Debian's packages of cargo come without these. */
const CHECKS = [
  ["fmt", "--all", "--check"],
  ["clippy", "--locked", "--offline", "--quiet", "--all-targets", "--", "-D", "warnings"],
];

await setup();
node([join(root, "scripts/build.mjs")]);
for (const [name, ...args] of CHECKS) {
  const { status } = spawnSync("cargo", [name, "--version"], { cwd: crate, stdio: "ignore" });
  if (status === 0) cargo(name, ...args);
  else console.error(`cargo ${name} is not installed: left out`);
}
for (const [name, { target }] of Object.entries(PLATFORMS)) {
  if (hasTarget(name)) cargo("check", "--locked", "--offline", "--quiet", "--target", target);
  else
    console.error(`Rust's ${target} is not installed (rustup target add): ${name} is not checked`);
}
// AVA prints the report; cargo's is for people.
const tested = ["authd", "authd-client"].flatMap((name) => ["--package", name]);
const { status } = spawnSync("cargo", ["test", "--locked", "--offline", "--quiet", ...tested], {
  cwd: crate,
  stdio: ["ignore", 2, 2],
});
if (status !== 0) process.exit(status ?? 1);
buildNative();
process.env.AUTHD_TEST_ONLY = "native";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
