import test from "ava";
import { startHelperDaemon } from "../../helpers/helper-daemon.ts";
import { startIssuer } from "../../helpers/issuer.ts";
import type { Scope } from "../../helpers/scope.ts";

const ORIGIN = "https://git.example:8443";

async function withTokens(t: Scope, names: readonly string[], mapping?: string) {
  const origins = Object.fromEntries(names.map((name) => [name, ORIGIN]));
  const daemon = await startHelperDaemon(t, origins, mapping);
  const git = (action: string, input: string) => daemon.cli(["helper", "git", action], { input });
  return { daemon, git };
}

test("git gets the token of the credential whose origin it asks for", async (t) => {
  const { git } = await withTokens(t, ["fixed"]);
  const asked = "protocol=https\nhost=git.example:8443\npath=a/b.git\n\n";
  const { code, stdout, stderr } = await git("get", asked);
  t.is(stderr, "");
  t.is(code, 0);
  t.is(stdout, "username=oauth2\npassword=practice-token-of-fixed\n");
  const withUser = await git("get", `${asked.trim()}\nusername=x-access-token\n`);
  t.regex(withUser.stdout, /^username=x-access-token\n/);
  const later = `capability[]=authtype\n${asked}`;
  const basic = Buffer.from("oauth2:practice-token-of-fixed").toString("base64");
  t.is(
    (await git("get", later)).stdout,
    `capability[]=authtype\nauthtype=Basic\ncredential=${basic}\nephemeral=1\n`,
  );
  const bearer = `capability[]=authtype\nwwwauth[]=Bearer realm="x"\n${asked}`;
  t.is(
    (await git("get", bearer)).stdout,
    "capability[]=authtype\nauthtype=Bearer\ncredential=practice-token-of-fixed\nephemeral=1\n",
  );
});

test("git gets nothing for another host, without TLS, or for what is no web address", async (t) => {
  const { git } = await withTokens(t, ["fixed"], '[git]\n"http://git.example" = "fixed"\n');
  for (const asked of [
    "protocol=https\nhost=elsewhere.example\n",
    "protocol=https\nhost=git.example\n",
    "protocol=imap\nhost=git.example:8443\n",
    "protocol=https\n",
    "",
  ]) {
    const { code, stdout, stderr } = await git("get", asked);
    t.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  }
  const plain = await git("get", "protocol=http\nhost=git.example\n");
  t.is(plain.stdout, "quit=1\n");
  t.regex(plain.stderr, /has no TLS/);
  for (const action of ["store", "something-new"])
    t.deepEqual(await git(action, "protocol=https\nhost=git.example:8443\npassword=x\n"), {
      ...{ code: 0, stdout: "", stderr: "" },
    });
  t.is((await git("capability", "")).stdout, "version 0\ncapability authtype\n");
});

test("a host that another program could read otherwise gets nothing", async (t) => {
  const { git } = await withTokens(t, ["fixed"], '[git]\n"git.example" = "fixed"\n');
  for (const host of [
    "git.example/x.elsewhere.example",
    "git.example?x.elsewhere.example",
    "git.example#x.elsewhere.example",
    "git.example\\.elsewhere.example",
    "elsewhere.example?@git.example",
    "elsewhere.example\\@git.example",
    "me@git.example",
    "git.exam\tple",
    "%67it.example",
    "git.example\x1b[31m/",
  ]) {
    const { code, stdout, stderr } = await git("get", `protocol=https\nhost=${host}\n`);
    t.deepEqual({ code, stdout }, { code: 2, stdout: "quit=1\n" }, JSON.stringify(host));
    t.regex(stderr, /^authd: "[^\x1b]*" is no host: /);
  }
  const path = "path=acme/../x?y#z%2f\\\n";
  const { stdout } = await git("get", `protocol=https\nhost=git.example\n${path}`);
  t.regex(stdout, /password=practice-token-of-fixed/);
});

test("several accounts of one host are told apart by path and by user", async (t) => {
  const mapping = `[git]
"git.example" = "one"
"git.example/acme" = "two"
"bot@git.example/acme" = "three"
`;
  const { git } = await withTokens(t, ["one", "two", "three"], mapping);
  const host = "protocol=https\nhost=git.example\n";
  for (const [asked, user, token] of [
    [host, "oauth2", "one"],
    [`${host}path=acmes/x.git\n`, "oauth2", "one"],
    [`${host}path=acme/x.git\nusername=me\n`, "me", "two"],
    [`${host}path=acme/x.git\nusername=bot\n`, "bot", "three"],
    [`${host}path=acme\n`, "bot", "three"],
  ] as const) {
    const { stdout } = await git("get", asked);
    t.is(stdout, `username=${user}\npassword=practice-token-of-${token}\n`, asked);
  }
  const several = await git("get", "protocol=https\nhost=git.example:8443\n");
  t.is(several.stdout, "quit=1\n");
  t.regex(several.stderr, /one, three, two are all for https:\/\/git\.example:8443.*--for/);
});

/** How git tells a token that a server has refused, by the versions before 2.46 and since. */
const REFUSED = {
  "a password": (token: string) => `username=oauth2\npassword=${token}\n`,
  "a header": (token: string) =>
    `authtype=basic\ncredential=${Buffer.from(`oauth2:${token}`).toString("base64")}\n`,
};

for (const [form, told] of Object.entries(REFUSED)) {
  test(`a token that git could not use as ${form} is renewed; its end is told; errors stop git`, async (t) => {
    let count = 0;
    const issuer = await startIssuer(t, () => {
      count += 1;
      if (count > 2) return { status: 400, json: { error: "invalid_client" } };
      const access_token = `practice-token-${count}`;
      return { json: { access_token, token_type: "Bearer", expires_in: 3600 } };
    });
    const { daemon, git } = await withTokens(t, [], '[git]\n"git.example" = "mine"\n');
    const args = ["add", "mine", "--grant", "client_credentials", "--secrets-from", "-"];
    const set = [`token_url=${issuer.url}`, "client_id=me"].flatMap((pair) => ["--set", pair]);
    await daemon.cli([...args, ...set], { input: '{"client_secret":"practice"}' });
    const asked = "protocol=https\nhost=git.example\n";
    const { stdout } = await git("get", asked);
    t.regex(stdout, /^username=oauth2\npassword=practice-token-1\npassword_expiry_utc=\d{10}\n$/);
    await git("erase", asked + told("practice-token-of-old"));
    t.is(count, 1, "it is not the current one");
    await git("erase", asked + told("practice-token-1"));
    t.regex((await git("get", asked)).stdout, /practice-token-2/);
    await daemon.cli(["refresh", "mine"]);
    await daemon.cli(["remove", "mine", "--yes"]);
    const gone = await git("get", asked);
    t.is(gone.stdout, "quit=1\n");
    t.is(gone.code, 4);
    t.regex(gone.stderr, /^authd: .*mine/);
    await daemon.stop();
    const without = await git("get", asked);
    t.is(without.stdout, "");
    t.is(without.code, 3);
  });
}
