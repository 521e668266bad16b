import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { signInAt } from "../helpers/person.ts";
import { PUBLIC_CLIENT, startSignInIssuer } from "../helpers/sign-in-issuer.ts";
import { CTRL_C, ENTER, onTerminal } from "../helpers/terminal.ts";
import { until } from "../helpers/until.ts";

const END = "\x1b[F";
const ENTERED = "\x1b[?1049h";
const LEFT = "\x1b[?25h\x1b[?1049l";

onLinux("add asks for what is missing, for secrets without echo", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const { settings, secrets } = api.credential;
  const terminal = onTerminal(t, daemon, [
    ...["add", "labelf", "--preset", "labelf", "--set", `token_url=${settings.token_url}`],
  ]);
  await terminal.type("Client ID", `${settings.client_id}${ENTER}`);
  await terminal.type("Client secret", `${secrets.client_secret}${ENTER}`);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.regex(stdout, /made in the Labelf web app/);
  t.regex(stdout, /labelf.* is added: .*ready/);
  t.false(stdout.includes(secrets.client_secret!));
});

onLinux(
  "add of a sign-in goes on with it: a code and a QR code, where there is no screen",
  async (t) => {
    const issuer = await startSignInIssuer(t);
    const daemon = await startDaemon(t);
    const terminal = onTerminal(
      t,
      daemon,
      [
        ...["add", "mail", "--grant", "authorization_code", "--set", `client_id=${PUBLIC_CLIENT}`],
        ...["--set", "scope=openid offline_access"],
      ],
      { columns: 100, rows: 60 },
    );
    await terminal.type("issuer", `${issuer.url}${ENTER}`);
    await terminal.type("Client secret", ENTER);
    const said = await terminal.says("Code:");
    await terminal.says("▀");
    const code = /Code: .*?([A-Z]{4}-[A-Z]{4})/.exec(await terminal.says("▀"))?.[1] ?? "";
    t.regex(said, /^http:.*\/device\r$/m);
    await signInAt(`${issuer.url}/device?user_code=${code}`, { name: "ada" });
    const { code: exit, stdout } = await terminal.ended;
    t.is(exit, 0, stdout);
    t.regex(stdout, /mail.* is signed in as ada/);
    const away = onTerminal(t, daemon, ["remove", "mail"]);
    await away.type("Remove mail", "y");
    await away.type("Revoke its tokens at the issuer first?", "y");
    const removed = await away.ended;
    t.is(removed.code, 0);
    t.regex(removed.stdout, /tokens are revoked at the issuer/);
  },
);

onLinux("add without a preset offers them; Ctrl-C changes nothing", async (t) => {
  const daemon = await startDaemon(t);
  const terminal = onTerminal(t, daemon, ["add", "mine"]);
  await terminal.type("Which API is it for?", ENTER);
  await terminal.type("Client ID", CTRL_C);
  const { code, stdout } = await terminal.ended;
  t.is(code, 1);
  t.regex(stdout, /nothing was changed/);
  t.is((await daemon.cli(["show", "mine"])).code, 4);
});

onLinux("set asks for the secrets again; empty: as it is", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  const refused = { ...api.credential, secrets: { client_secret: "another" } };
  t.is((await daemon.add("labelf", { credential: refused })).code, 5);
  const terminal = onTerminal(t, daemon, ["set", "labelf"]);
  await terminal.type("Client secret", `${api.credential.secrets.client_secret}${ENTER}`);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0, stdout);
  t.regex(stdout, /labelf.* is changed: .*ready/);
});

onLinux("remove asks first", async (t) => {
  const daemon = await startDaemon(t);
  const added = await daemon.cli(["add", "x", "--grant", "static", "--secrets-from", "-"], {
    input: '{"token": "x"}',
  });
  t.is(added.code, 0, added.stderr);
  const no = onTerminal(t, daemon, ["remove", "x"]);
  await no.type("Remove x", ENTER);
  t.is((await no.ended).code, 1);
  t.is((await daemon.cli(["show", "x"])).code, 0);
  const yes = onTerminal(t, daemon, ["remove", "x"]);
  await yes.type("Remove x", "y");
  t.is((await yes.ended).code, 0);
  t.is((await daemon.cli(["show", "x"])).code, 4);
});

onLinux("status --watch stays when the daemon goes, and Ctrl-C restores the screen", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const terminal = onTerminal(t, daemon, ["status", "--watch"]);
  await terminal.says("LIFE");
  await terminal.says("█");
  await daemon.stop();
  await terminal.says("No daemon answers");
  const again = await startDaemon(t, { home: daemon });
  await terminal.type(`pid ${again.pid}`, CTRL_C);
  const { code, stdout } = await terminal.ended;
  t.is(code, 0);
  t.true(stdout.includes(LEFT));
});

onLinux(
  "status --watch opens a credential's story, renews it, filters, and q ends it",
  async (t) => {
    const api = await startLabelf();
    t.teardown(() => api.close());
    const daemon = await startDaemon(t);
    t.is((await daemon.add("labelf", api)).code, 0);
    const { tokenRequests } = api.stats;
    const terminal = onTerminal(t, daemon, ["status", "--watch"]);
    await terminal.type("Enter story", "r");
    await terminal.type("labelf is renewed.", ENTER);
    t.is(api.stats.tokenRequests, tokenRequests + 1);
    await terminal.type("q back", END);
    await terminal.says("token refreshed in");
    await terminal.type("q back", "q");
    await terminal.type("q quit", "a");
    await terminal.says("Nobody waits for an answer.");
    // Keys pressed before the screen is back are nobody's.
    await until(async () => (await terminal.says("q quit")).split(ENTERED).length === 3);
    await terminal.type("q quit", "/nothing");
    await terminal.type('Nothing has "nothing" in it.', `${ENTER}q`);
    const { code, stdout } = await terminal.ended;
    t.is(code, 0);
    t.true(stdout.includes(LEFT));
  },
);
