/** What needs git 2.46, at a server that wants Bearer: the git of a newer Debian. */

import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import test from "ava";
import { gitOf, makeRepository, startGitServer } from "../helpers/git-server.ts";
import { newerGit } from "../helpers/newer-git.ts";
import { missing } from "../helpers/optional.ts";
import { startToolDaemon } from "../helpers/tool-daemon.ts";

test("git sends a token as Bearer where the server wants that, and has a refused one renewed", async (t) => {
  t.timeout(600_000);
  const newer = await newerGit(t);
  if (typeof newer === "string") return missing(t, newer);
  const daemon = await startToolDaemon(t);
  const git = gitOf(t, daemon, [newer.bin, process.env.PATH].join(delimiter));
  t.regex((await git(["--version"])).stdout, /git version 2\.(4[6-9]|[5-9]\d)/);
  const root = join(daemon.folder, "repositories");
  await makeRepository(git, join(root, "x.git"));
  let good = "Bearer practice-1";
  const server = await startGitServer(t, root, (_, sent) => sent === good, 'Bearer realm="x"');
  await daemon.addExpiring("mine", `origins=${server.origin}`);
  const installed = await daemon.cli([
    "helper",
    "install",
    "git",
    "--for",
    `${server.origin}=mine`,
  ]);
  t.is(installed.code, 0, installed.stderr);
  // One that stores what it is given.
  const stored = join(daemon.folder, "stored");
  await git(["config", "--global", "credential.helper", `store --file=${stored}`]);
  const cloned = await git(["clone", "-q", `${server.origin}/x.git`]);
  t.is(cloned.code, 0, cloned.stderr);
  const checkout = join(daemon.folder, "x");
  writeFileSync(join(checkout, "file"), "1");
  for (const args of [
    ["add", "."],
    ["commit", "-qm", "one"],
    ["push", "-q", "origin", "HEAD:main"],
  ]) {
    const { code, stderr } = await git(args, checkout);
    t.is(code, 0, stderr);
  }
  t.false(existsSync(stored), "store takes no token of this kind");
  good = "Bearer practice-2";
  t.not((await git(["fetch"], checkout)).code, 0, "git does not ask again");
  const { code, stderr } = await git(["fetch"], checkout);
  return t.is(code, 0, stderr);
});
