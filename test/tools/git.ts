/** The real git, at a server that wants a token: git http-backend on loopback. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { startDaemon } from "../helpers/daemon.ts";
import { gitOf, loginIn, makeRepository, startGitServer } from "../helpers/git-server.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { absent, missing } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

test("git clones, pushes and fetches with authd's token", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  const daemon = await startHelperDaemon(t, { mine: "https://git.example" });
  const git = gitOf(t, daemon);
  const root = join(daemon.folder, "repositories");
  await makeRepository(git, join(root, "acme/x.git"));
  const logins = new Set<string>();
  const server = await startGitServer(t, root, (_, authorization) => {
    const login = loginIn(authorization);
    logins.add(login);
    return login === "me:practice-token-of-mine";
  });
  const stored = join(daemon.folder, "stored");
  await git(["config", "--global", "credential.helper", `store --file=${stored}`]);
  const before = readFileSync(join(daemon.folder, ".gitconfig"), "utf8");
  const refused = await git(["clone", "-q", `${server.origin}/acme/x.git`]);
  t.not(refused.code, 0);
  const target = server.origin.replace("//", "//me@");
  const installed = await daemon.cli(["helper", "install", "git", "--for", `${target}=mine`]);
  t.is(installed.code, 0, installed.stderr);
  const cloned = await git(["clone", "-q", `${server.origin}/acme/x.git`]);
  t.is(cloned.code, 0, cloned.stderr);
  const checkout = join(daemon.folder, "x");
  writeFileSync(join(checkout, "file"), "1");
  for (const args of [
    ["add", "."],
    ["commit", "-qm", "one"],
    ["push", "-q", "origin", "HEAD:main"],
    ["fetch"],
  ]) {
    const { code, stderr } = await git(args, checkout);
    t.is(code, 0, stderr);
  }
  const log = await git(["-C", join(root, "acme/x.git"), "log", "--format=%s", "main"]);
  t.is(log.stdout, "one\n", log.stderr);
  t.deepEqual([...logins], ["", "me:practice-token-of-mine"]);
  const asked = async () => {
    const lines = (await daemon.cli(["audit", "--json"])).stdout.trim().split("\n");
    return lines.map((line) => JSON.parse(line)).filter(({ method }) => method === "getToken");
  };
  await until(async () => (await asked()).length >= 2);
  for (const { peer } of await asked())
    t.regex(peer.program, /\/git[\w.-]*$/, "no shell stands between");
  t.throws(() => readFileSync(stored), { code: "ENOENT" }, "no other helper has stored it");
  await daemon.cli(["helper", "uninstall", "git"]);
  t.is(readFileSync(join(daemon.folder, ".gitconfig"), "utf8"), before);
  t.not((await git(["fetch"], checkout)).code, 0);
});

test("git uses the account of the repository's path", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  const daemon = await startHelperDaemon(t, { one: "https://x.example", two: "https://x.example" });
  const git = gitOf(t, daemon);
  const root = join(daemon.folder, "repositories");
  for (const name of ["a/x.git", "b/y.git"]) await makeRepository(git, join(root, name));
  const server = await startGitServer(t, root, (path, authorization) =>
    loginIn(authorization).endsWith(
      path.startsWith("/a/") ? ":practice-token-of-one" : ":practice-token-of-two",
    ),
  );
  const args = ["--for", `${server.origin}/a=one`, `${server.origin}/b=two`];
  await daemon.cli(["helper", "install", "git", ...args]);
  for (const name of ["a/x", "b/y"]) {
    const { code, stderr } = await git(["ls-remote", `${server.origin}/${name}.git`]);
    t.is(code, 0, stderr);
  }
});

test("a token that the server refuses is renewed for the next command; without one git ends", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  let count = 0;
  const issuer = await startIssuer(t, () => {
    count += 1;
    const json = {
      access_token: `practice-token-${count}`,
      token_type: "Bearer",
      expires_in: 3600,
    };
    return { json };
  });
  const config = `grant = "client_credentials"\ntoken_url = "${issuer.url}"\nclient_id = "me"\n`;
  const daemon = await startDaemon(t, { config: { "credentials/mine.toml": config } });
  await daemon.cli(["set", "mine", "--secret", "client_secret=-"], { input: "practice" });
  const git = gitOf(t, daemon);
  const root = join(daemon.folder, "repositories");
  await makeRepository(git, join(root, "x.git"));
  let good = 1;
  const server = await startGitServer(
    t,
    root,
    (_, authorization) => loginIn(authorization) === `oauth2:practice-token-${good}`,
  );
  await daemon.cli(["helper", "install", "git", "--for", `${server.origin}=mine`]);
  const lsRemote = () => git(["ls-remote", `${server.origin}/x.git`]);
  t.is((await lsRemote()).code, 0);
  good = 2;
  t.not((await lsRemote()).code, 0, "git does not ask again");
  const { code, stderr } = await lsRemote();
  t.is(code, 0, stderr);
  t.is(count, 2);
  await daemon.cli(["remove", "mine", "--yes"]);
  const without = await lsRemote();
  t.not(without.code, 0);
  t.regex(without.stderr, /authd: .*mine/);
  t.regex(without.stderr, /told us to quit/);
});
