import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";
import type { Scope } from "../helpers/scope.ts";
import { startToolDaemon } from "../helpers/tool-daemon.ts";

/** Packs a crate with one empty library. */
function packCrate(t: Scope): Buffer {
  const folder = temporaryFolder(t);
  const crate = join(folder, "tiny-crate-1.0.0");
  mkdirSync(join(crate, "src"), { recursive: true });
  const manifest = '[package]\nname = "tiny-crate"\nversion = "1.0.0"\nedition = "2021"\n';
  writeFileSync(join(crate, "Cargo.toml"), manifest);
  writeFileSync(join(crate, "src/lib.rs"), "");
  const packed = join(folder, "tiny.crate");
  execFileSync("tar", ["-czf", packed, "-C", folder, "tiny-crate-1.0.0"]);
  return readFileSync(packed);
}

/** A sparse registry that is open to nobody without `authorization`. */
async function startRegistry(t: Scope, authorization: string) {
  const crate = packCrate(t);
  const cksum = createHash("sha256").update(crate).digest("hex");
  const line = { name: "tiny-crate", vers: "1.0.0", deps: [], cksum, features: {}, yanked: false };
  return await startApi(t, ({ url, headers }, response) => {
    if (headers.authorization !== authorization) {
      response.writeHead(401, { "www-authenticate": "Cargo" });
      return response.end();
    }
    const origin = `http://${headers.host}`;
    const answers: Record<string, string | Buffer> = {
      "/index/config.json": JSON.stringify({
        dl: `${origin}/dl/{crate}`,
        api: origin,
        "auth-required": true,
      }),
      "/index/ti/ny/tiny-crate": `${JSON.stringify(line)}\n`,
      "/dl/tiny-crate": crate,
      "/api/v1/crates/tiny-crate/owners": '{"users":[{"id":7,"login":"somebody","name":null}]}',
    };
    response.statusCode = answers[url] ? 200 : 404;
    return response.end(answers[url] ?? "");
  });
}

test("cargo downloads a crate and asks for its owners with tokens of authd", async (t) => {
  if (absent("cargo").length > 0) return missing(t, "there is no cargo");
  const daemon = await startToolDaemon(t);
  const registry = await startRegistry(t, "Bearer practice-1");
  await daemon.addExpiring("crates", `origins=${registry.origin}`);
  const installed = await daemon.cli(["helper", "install", "cargo"]);
  t.is(installed.code, 0, installed.stderr);

  const project = temporaryFolder(t);
  mkdirSync(join(project, "src"));
  writeFileSync(join(project, "src/lib.rs"), "");
  writeFileSync(
    join(project, "Cargo.toml"),
    '[package]\nname = "uses-it"\nversion = "1.0.0"\n[dependencies]\ntiny-crate = { version = "1", registry = "mine" }\n',
  );
  const env = {
    ...daemon.env,
    CARGO_HOME: join(daemon.folder, ".cargo"),
    RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), ".rustup"),
    CARGO_REGISTRIES_MINE_INDEX: `sparse+${registry.origin}/index/`,
  };
  const fetched = await run(t, "cargo", ["fetch"], { cwd: project, env });
  t.is(fetched.code, 0, fetched.stderr);
  const owners = ["owner", "--list", "tiny-crate", "--registry", "mine"];
  const listed = await run(t, "cargo", owners, { cwd: project, env });
  t.is(listed.stdout, "somebody\n", listed.stderr);
  const used = new Set(registry.seen.map(({ headers }) => headers.authorization));
  t.deepEqual([...used], [undefined, "Bearer practice-1"]);

  await daemon.stop();
  const without = await run(t, "cargo", owners, { cwd: project, env });
  t.not(without.code, 0);
  return t.regex(without.stderr, /No authd answers|authd service install|authd serve/);
});
