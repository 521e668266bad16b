/** The real gh and glab, at hosts on loopback that it knows by their public names. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Handler } from "../helpers/api.ts";
import { install } from "../helpers/bin.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { readDocument } from "../helpers/markdown.ts";
import { startNamedHosts } from "../helpers/named-hosts.ts";
import { absent, missing } from "../helpers/optional.ts";

const REPOSITORY = {
  ...{ nameWithOwner: "acme/tiny", description: "", visibility: "PRIVATE" },
  ...{ isPrivate: true, isFork: false, isArchived: false },
  ...{ createdAt: "2026-01-01T00:00:00Z", pushedAt: "2026-01-01T00:00:00Z" },
};
/** What GitHub's GraphQL answers for `gh repo list`. */
const LIST = {
  data: {
    repositoryOwner: {
      login: "me",
      repositories: { nodes: [REPOSITORY], totalCount: 1, pageInfo: { hasNextPage: false } },
    },
  },
};

const NAMES = {
  github: "api.github.com",
  work: "git.example",
  gitlab: "gitlab.com",
  lab: "lab.example",
};
const COMMANDS = readDocument("docs/helpers.md").section("gh and glab").blocks("console").join("");

/** Hosts that take the token of their credential alone, and a shell with authd, whose requests go to them. */
async function startHosts(t: ExecutionContext) {
  const origins = Object.entries(NAMES).map(([name, host]) => [name, `https://${host}`]);
  const daemon = await startHelperDaemon(t, Object.fromEntries(origins));
  const handlers = Object.entries(NAMES).map(([name, host]): [string, Handler] => {
    const token = `practice-token-of-${name}`;
    const handler: Handler = ({ url, headers }, response) => {
      const isRight =
        headers.authorization === `token ${token}` || headers["private-token"] === token;
      response.writeHead(isRight ? 200 : 401, { "content-type": "application/json" });
      const body = url === "/graphql" ? LIST : { login: host };
      response.end(JSON.stringify(isRight ? body : { message: "Bad credentials" }));
    };
    return [host, handler];
  });
  const { proxy, ca, seen } = await startNamedHosts(t, Object.fromEntries(handlers));
  const file = join(daemon.folder, "ca.pem");
  writeFileSync(file, ca);
  const env = { HTTPS_PROXY: proxy, SSL_CERT_FILE: file, GH_NO_UPDATE_NOTIFIER: "1" };
  const { bash } = install(t, { ...daemon.env, ...env });
  return { daemon, seen, bash };
}

/** The document's commands for a program. */
const commandsOf = (program: string) =>
  COMMANDS.split("\n")
    .filter((line) => line.includes(`-- ${program} `))
    .map((line) => line.replace("$ ", ""));

test("gh sends the token of its variable, to the host that the variable is for", async (t) => {
  if (absent("gh").length > 0) return missing(t, "gh is not installed");
  const { daemon, seen, bash } = await startHosts(t);
  const [list = "", own = "", ...others] = commandsOf("gh");
  t.deepEqual(others, []);
  const listed = await bash(list);
  t.is(listed.code, 0, listed.stderr);
  t.regex(listed.stdout, /^acme\/tiny\t/);
  const user = await bash(own);
  t.deepEqual([user.code, user.stdout], [0, '{"login":"git.example"}'], user.stderr);

  const wrong = await bash(own.replace("=work", "=github"));
  t.not(wrong.code, 0);
  t.regex(wrong.stderr, /Bad credentials/);
  // GH_TOKEN is for github.com alone.
  await bash(own.replace("GH_ENTERPRISE_TOKEN", "GH_TOKEN"));
  t.is(seen.at(-1)?.host, "git.example");
  t.is(seen.at(-1)?.headers.authorization, undefined);
  const before = seen.length;
  await daemon.cli(["remove", "github", "--yes"]);
  const without = await bash(list);
  t.is(without.code, 4, "gh is not run");
  t.regex(without.stderr, /no credential "?github/);
  return t.is(seen.length, before);
});

test("glab sends the token of its variable to the host that is named", async (t) => {
  if (absent("glab").length > 0) return missing(t, "glab is not installed");
  const { bash } = await startHosts(t);
  const [usual = "", own = "", ...others] = commandsOf("glab");
  t.deepEqual(others, []);
  for (const [command, host] of [
    [usual, "gitlab.com"],
    [own, "lab.example"],
  ] as const) {
    const { code, stdout, stderr } = await bash(command);
    t.is(code, 0, stderr);
    t.is(stdout, `{"login":"${host}"}`);
  }
  const wrong = await bash(own.replace("=lab ", "=gitlab "));
  return t.regex(wrong.stdout, /Bad credentials/);
});
