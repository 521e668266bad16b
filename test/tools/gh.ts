/** The real gh, at hosts on loopback that it knows by their public names. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
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

test("gh sends the token of its variable, to the host that the variable is for", async (t) => {
  if (absent("gh").length > 0) return missing(t, "gh is not installed");
  const daemon = await startHelperDaemon(t, {
    github: "https://api.github.com",
    work: "https://git.example",
  });
  const tokens: Readonly<Record<string, string>> = {
    "api.github.com": "practice-token-of-github",
    "git.example": "practice-token-of-work",
  };
  const { proxy, ca, seen } = await startNamedHosts(
    t,
    Object.fromEntries(
      Object.entries(tokens).map(([host, token]) => [
        host,
        ({ url, headers }, response) => {
          const isRight = headers.authorization === `token ${token}`;
          response.writeHead(isRight ? 200 : 401, { "content-type": "application/json" });
          const body = url === "/graphql" ? LIST : { login: host };
          response.end(JSON.stringify(isRight ? body : { message: "Bad credentials" }));
        },
      ]),
    ),
  );
  const file = join(daemon.folder, "ca.pem");
  writeFileSync(file, ca);
  const shell = install(t, {
    ...daemon.env,
    ...{ HTTPS_PROXY: proxy, SSL_CERT_FILE: file, GH_NO_UPDATE_NOTIFIER: "1" },
  });
  const [commands = ""] = readDocument("docs/helpers.md").section("gh and glab").blocks("console");
  const [list = "", own = "", ...others] = commands.trim().replaceAll(/^\$ /gm, "").split("\n");
  t.deepEqual(others, []);
  const listed = await shell.bash(list);
  t.is(listed.code, 0, listed.stderr);
  t.regex(listed.stdout, /^acme\/tiny\t/);
  const user = await shell.bash(own);
  t.deepEqual([user.code, user.stdout], [0, '{"login":"git.example"}'], user.stderr);

  const wrong = await shell.bash(own.replace("=work", "=github"));
  t.not(wrong.code, 0);
  t.regex(wrong.stderr, /Bad credentials/);
  // GH_TOKEN is for github.com alone.
  await shell.bash(own.replace("GH_ENTERPRISE_TOKEN", "GH_TOKEN"));
  t.is(seen.at(-1)?.host, "git.example");
  t.is(seen.at(-1)?.headers.authorization, undefined);
  const before = seen.length;
  await daemon.cli(["remove", "github", "--yes"]);
  const without = await shell.bash(list);
  t.is(without.code, 4, "gh is not run");
  t.regex(without.stderr, /no credential "?github/);
  return t.is(seen.length, before);
});
