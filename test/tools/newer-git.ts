/** What needs git 2.46: the git of a newer Debian, at a server that wants Bearer or Basic. */

import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { gitOf, makeRepository, startGitServer } from "../helpers/git-server.ts";
import { newerGit } from "../helpers/newer-git.ts";
import { missing } from "../helpers/optional.ts";
import { startToolDaemon } from "../helpers/tool-daemon.ts";

const SCHEMES: Readonly<Record<string, (token: string) => string>> = {
  Bearer: (token) => token,
  Basic: (token) => Buffer.from(`oauth2:${token}`).toString("base64"),
};

/** Clones, pushes and fetches over a renewal, with a `store` that git tells the tokens, too. */
async function useTokens(t: ExecutionContext, bin: string, scheme: string): Promise<void> {
  const daemon = await startToolDaemon(t);
  const git = gitOf(t, daemon, [bin, process.env.PATH].join(delimiter));
  t.regex((await git(["--version"])).stdout, /git version 2\.(4[6-9]|[5-9]\d)/);
  const root = join(daemon.folder, "repositories");
  await makeRepository(git, join(root, "x.git"));
  const headerFor = (token: string) => `${scheme} ${SCHEMES[scheme]!(token)}`;
  let good = headerFor("practice-1");
  const server = await startGitServer(t, root, (_, sent) => sent === good, `${scheme} realm="x"`);
  await daemon.addExpiring("mine", `origins=${server.origin}`);
  const target = ["--for", `${server.origin}=mine`];
  const installed = await daemon.cli(["helper", "install", "git", ...target]);
  t.is(installed.code, 0, installed.stderr);
  const stored = join(daemon.folder, "stored");
  await git(["config", "--global", "credential.helper", `store --file=${stored}`]);
  const checkout = join(daemon.folder, "x");
  const succeeds = async (args: readonly string[], cwd = checkout) => {
    const { code, stderr } = await git(args, cwd);
    t.is(code, 0, `${args[0]}: ${stderr}`);
  };
  await succeeds(["clone", "-q", `${server.origin}/x.git`], daemon.folder);
  writeFileSync(join(checkout, "file"), "1");
  await succeeds(["add", "."]);
  await succeeds(["commit", "-qm", "one"]);
  await succeeds(["push", "-q", "origin", "HEAD:main"]);
  good = headerFor("practice-2");
  t.not((await git(["fetch"], checkout)).code, 0, "git does not ask again");
  await succeeds(["fetch"]);
  t.false(existsSync(stored), "store keeps names and passwords only");
}

test("git sends Bearer and Basic, has a refused token renewed, and store keeps none", async (t) => {
  t.timeout(600_000);
  const newer = await newerGit(t);
  if (typeof newer === "string") return missing(t, newer);
  for (const scheme of Object.keys(SCHEMES)) await useTokens(t, newer.bin, scheme);
});
