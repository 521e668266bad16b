/** The Rust client, by the conformance suite its own tests, and what of it would be published. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { absent, missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const FOLDER = join(ROOT, "clients/rust");
const CARGO = ["--quiet", "--release", "--locked", "--offline"];

conformance("rust", {
  start: async (t) => {
    const build = ["build", ...CARGO, "--example", "conformance"];
    const { code, stderr } = await run(t, "cargo", build, { cwd: FOLDER });
    if (code !== 0) throw new Error(stderr);
    return { command: join(FOLDER, "target/release/examples/conformance") };
  },
  programs: ["cargo"],
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
});

test.serial("its own tests hold, and every public item is documented", async (t) => {
  t.timeout(600_000);
  if (absent("cargo").length > 0) return missing(t, "cargo is not installed");
  for (const [args, env] of [
    [["test", "--quiet", "--locked", "--offline"], {}],
    [["doc", "--quiet", "--locked", "--offline", "--no-deps"], { RUSTDOCFLAGS: "-D warnings" }],
  ] as const) {
    const ended = await run(t, "cargo", args, { cwd: FOLDER, env: { ...process.env, ...env } });
    t.is(ended.code, 0, ended.stdout + ended.stderr);
  }
});

test.serial("its package has the sources, the licence, and nothing else", async (t) => {
  if (absent("cargo").length > 0) return missing(t, "cargo is not installed");
  const args = ["package", "--list", "--allow-dirty", "--offline"];
  const { code, stdout, stderr } = await run(t, "cargo", args, { cwd: FOLDER });
  t.is(code, 0, stderr);
  const known =
    /^(Cargo\.(lock|toml|toml\.orig)|\.cargo_vcs_info\.json|LICENSE|README\.md|(src|tests)\/[a-z0-9_/]+\.rs)$/;
  const files = stdout.trim().split("\n");
  t.deepEqual(
    files.filter((name) => !known.test(name)),
    [],
  );
  for (const name of ["LICENSE", "README.md", "src/lib.rs"]) t.true(files.includes(name), name);
  const licence = (folder: string) => readFileSync(join(folder, "LICENSE"), "utf8");
  return t.is(licence(FOLDER), licence(ROOT));
});
