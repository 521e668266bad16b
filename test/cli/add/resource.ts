import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { startDaemon } from "../../helpers/daemon.ts";
import { onLinux } from "../../helpers/optional.ts";
import { signInAt } from "../../helpers/person.ts";
import { RESOURCE_FEATURES, startResourceServer } from "../../helpers/resource-server.ts";
import { PUBLIC_CLIENT, startSignInIssuer } from "../../helpers/sign-in-issuer.ts";
import { CTRL_C, ENTER, onTerminal } from "../../helpers/terminal.ts";
import { until } from "../../helpers/until.ts";

async function setup(t: ExecutionContext) {
  const issuer = await startSignInIssuer(t, { features: RESOURCE_FEATURES });
  const server = await startResourceServer(t, issuer);
  const daemon = await startDaemon(t);
  const add = (...more: string[]) =>
    onTerminal(t, daemon, ["add", "notes", "--resource", server.url, ...more]);
  const file = join(daemon.configDir, "credentials", "notes.toml");
  return { issuer, server, daemon, add, file };
}

onLinux(
  "a person is shown the issuer, and asked before anything is registered there",
  async (t) => {
    const { issuer, add, file } = await setup(t);
    const terminal = add();
    await terminal.type("Go on?", "n");
    const { code, stdout } = await terminal.ended;
    t.not(code, 0);
    t.true(stdout.includes(issuer.url));
    t.regex(stdout, /stopped; nothing was changed/);
    t.false(issuer.requests.includes("/reg"));
    t.false(existsSync(file));
  },
);

onLinux("a person who goes on signs in at once, here by a code", async (t) => {
  const { issuer, daemon, server, add } = await setup(t);
  const terminal = add();
  await terminal.type("Go on?", "y");
  const codeIn = (text: string) => /Code: \S*?([A-Z]{4}-[A-Z]{4})/.exec(text)?.[1];
  let code: string | undefined;
  await until(async () => {
    code = codeIn(await terminal.says("Code: "));
    return code !== undefined;
  });
  await signInAt(`${issuer.url}/device?user_code=${code}`, { name: "ada" });
  const ended = await terminal.ended;
  t.is(ended.code, 0, ended.stdout);
  t.regex((await daemon.cli(["request", "notes", server.url, "-i"])).stderr, /200/);
});

onLinux(
  "where nobody is registered, the client that the person has made is asked for",
  async (t) => {
    const { issuer, add, daemon, file } = await setup(t);
    issuer.metadata = { registration_endpoint: undefined };
    const terminal = add("--set", "extra_authorization.audience=notes");
    await terminal.type("client_id", `${PUBLIC_CLIENT}${ENTER}`);
    await terminal.type("Client secret", ENTER);
    await terminal.type("Code: ", CTRL_C);
    await terminal.ended;
    t.true(existsSync(file));
    const { settings } = JSON.parse((await daemon.cli(["show", "notes", "--json"])).stdout);
    t.like(settings, {
      client_id: PUBLIC_CLIENT,
      issuer: issuer.url,
      scope: "files:read offline_access",
      extra_authorization: { audience: "notes" },
    });
  },
);
