// npm run test:native: builds the native command and runs its tests, those of the Rust client, and those that compare
// the command with the Node command; arguments go to AVA. It needs cargo.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildNative, cargo, crate } from "./build-native.mjs";
import { hasTarget, PLATFORMS } from "./native-platforms.mjs";
import { bin, node, root, run, setup } from "./setup.mjs";

/** Some of Debian's packages of cargo come without these. */
const CHECKS = [
  ["fmt", "--all", "--check"],
  ["clippy", "--locked", "--offline", "--quiet", "--all-targets", "--", "-D", "warnings"],
];

const client = join(root, "clients/rust");

await setup();
node([join(root, "scripts/build.mjs")]);
for (const [name, ...args] of CHECKS) {
  const { status } = spawnSync("cargo", [name, "--version"], { stdio: "ignore" });
  if (status === 0) for (const cwd of [crate, client]) run("cargo", [name, ...args], { cwd });
  else console.error(`cargo ${name} is not installed: left out`);
}
for (const [name, { target }] of Object.entries(PLATFORMS)) {
  if (hasTarget(name)) cargo("check", "--locked", "--offline", "--quiet", "--target", target);
  else
    console.error(`Rust's ${target} is not installed (rustup target add): ${name} is not checked`);
}
// AVA prints the report; cargo's is for people.
for (const cwd of [crate, client]) {
  const words = ["test", "--locked", "--offline", "--quiet"];
  const { status } = spawnSync("cargo", words, { cwd, stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
buildNative();
process.env.AUTHD_TEST_ONLY = "native";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
