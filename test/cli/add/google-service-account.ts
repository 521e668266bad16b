import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { decodeJwt } from "jose";
import { type Daemon, startDaemon } from "../../helpers/daemon.ts";
import { startIssuer } from "../../helpers/issuer.ts";
import { rsaKey } from "../../helpers/keys.ts";
import { onLinux } from "../../helpers/optional.ts";
import { onTerminal } from "../../helpers/terminal.ts";

const TOKEN = { json: { access_token: "one", token_type: "Bearer", expires_in: 3599 } };

function keyFile({ folder }: Daemon, token_uri: string, members: Record<string, unknown> = {}) {
  const file = join(folder, "key.json");
  const content = {
    type: "service_account",
    ...{ client_email: "robot@project.example", private_key: rsaKey().pem, private_key_id: "k1" },
    token_uri,
    ...members,
  };
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  return file;
}

test("a service account out of its key file; the file stays, and that is said", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const daemon = await startDaemon(t);
  const file = keyFile(daemon, issuer.url);
  const added = await daemon.cli([
    ...["add", "drive", "--google-service-account", file],
    ...["--set", "scope=https://www.googleapis.com/auth/drive.readonly"],
    ...["--set", "claims.sub=me@example.com"],
  ]);
  t.is(added.code, 0, added.stderr);
  t.regex(added.stdout, /drive is added: ● ready/);
  t.regex(added.stderr, /key\.json still holds it, too/);
  t.true(existsSync(file));
  t.like(decodeJwt(issuer.requests[0]!.form.get("assertion")!), {
    ...{ iss: "robot@project.example", sub: "me@example.com", aud: issuer.url },
    scope: "https://www.googleapis.com/auth/drive.readonly",
  });
  t.is((await daemon.cli(["get", "drive"])).stdout, "one\n");
  const shown = await daemon.cli(["show", "drive", "--json"]);
  t.false(shown.stdout.includes("PRIVATE KEY"));
});

test("a file that is no such key adds nothing, and is not quoted", async (t) => {
  const daemon = await startDaemon(t);
  for (const [members, wanted] of [
    [{ type: "external_account" }, /is of type external_account/],
    [{ private_key: undefined }, /no key file of a Google service account/],
    [{ token_uri: "ftp://elsewhere" }, /no key file of a Google service account/],
    [{ private_key: "not-a-key-4711" }, /no key file of a Google service account/],
  ] as const) {
    const file = keyFile(daemon, "https://oauth2.example/token", members);
    const added = await daemon.cli(["add", "drive", "--google-service-account", file]);
    t.not(added.code, 0);
    t.regex(added.stderr, wanted);
    t.false(added.stderr.includes("4711"));
    t.true(existsSync(file));
  }
  t.is((await daemon.cli(["list", "--json"])).stdout.includes("drive"), false);
});

onLinux("on a terminal the file is removed, if the person says so", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const daemon = await startDaemon(t);
  const file = keyFile(daemon, issuer.url);
  const terminal = onTerminal(t, daemon, ["add", "drive", "--google-service-account", file]);
  await terminal.type("The vault has the key now. Remove", "y");
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.false(existsSync(file));
  t.is((await daemon.cli(["get", "drive", "--refresh"])).stdout, "one\n");
});

onLinux("an issuer that refuses the key leaves the file where it is", async (t) => {
  const issuer = await startIssuer(t, { status: 400, json: { error: "invalid_grant" } });
  const daemon = await startDaemon(t);
  const file = keyFile(daemon, issuer.url);
  const terminal = onTerminal(t, daemon, ["add", "drive", "--google-service-account", file]);
  const { code, stdout } = await terminal.ended;
  t.is(code, 5, stdout);
  t.regex(stdout, /drive is kept, but not accepted/);
  t.true(existsSync(file));
});

test("it goes with --set and --replace only, and needs a name", async (t) => {
  const daemon = await startDaemon(t);
  const both = ["add", "drive", "--google-service-account", "key.json", "--grant", "static"];
  t.like(await daemon.cli(both), { code: 2 });
  t.like(await daemon.cli(["add", "--google-service-account", "key.json"]), { code: 2 });
  t.like(await daemon.cli(["add", "drive", "--google-service-account", "none.json"]), { code: 2 });
});
