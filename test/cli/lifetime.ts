import test from "ava";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";

interface Report {
  findings: { about: string; level: string }[];
}

test("what is not certain of a token's life is said wherever a person looks, and the named command mends it", async (t) => {
  const daemon = await startDaemon(t);
  const cli = async (...args: string[]) => await daemon.cli(args);
  const add = async (name: string, answer: object) => {
    const { url } = await startIssuer(t, { json: { access_token: "practice", ...answer } });
    return await daemon.cli(
      [
        ...["add", name, "--grant", "client_credentials", "--secrets-from", "-"],
        ...["--set", `token_url=${url}`, "--set", "client_id=me"],
      ],
      { input: JSON.stringify({ client_secret: "practice-secret" }) },
    );
  };
  const { daemon: status } = JSON.parse((await cli("status", "--json")).stdout);
  t.deepEqual(status.problems, []);

  const assumed = await add("quiet", {});
  t.is(assumed.code, 0, assumed.stderr);
  t.regex(assumed.stdout, /quiet is added: ● ready/);
  t.regex(assumed.stdout, /tells no lifetime, so 1 h is assumed/);
  const unread = await add("odd", { expires_in: "soon" });
  t.is(unread.code, 0, unread.stderr);
  t.regex(unread.stdout, /odd is added: ▲ ready/);
  t.regex(unread.stdout, /the issuer's expires_in can't be read \(soon\)/);
  t.regex(unread.stdout, /→ authd set odd --set lifetime\.seconds=…/);

  t.regex((await cli("show", "quiet")).stdout, /note +quiet: the issuer tells no lifetime/);
  t.regex(
    (await cli("show", "odd")).stdout,
    /to do +odd: .*can't be read \(soon\).*\s+→ authd set odd/,
  );
  const table = (await cli("status")).stdout;
  t.regex(table, /● ready[\s\S]*└ quiet: the issuer tells no lifetime/);
  t.regex(table, /▲ ready/);
  t.regex(table, /can't be read \(soon\)/);
  const { daemon: later } = JSON.parse((await cli("status", "--json")).stdout);
  t.deepEqual(
    later.problems.map(({ credential, reason }: Record<string, string>) => [credential, reason]),
    [["odd", "lifetime"]],
    "a lifetime that nobody tells is no problem",
  );
  const { findings } = JSON.parse((await cli("doctor", "--json")).stdout) as Report;
  const levels = (name: string) =>
    findings.filter((each) => each.about === name).map(({ level }) => level);
  t.deepEqual(levels("quiet"), ["ok", "ok"]);
  t.deepEqual(levels("odd"), ["ok", "warning"]);

  for (const name of ["quiet", "odd"]) {
    const set = await cli("set", name, "--set", "lifetime.seconds=600");
    t.is(set.code, 0, set.stderr);
    t.notRegex(set.stdout, /assumed|can't be read/);
    const shown = JSON.parse((await cli("show", name, "--json")).stdout);
    t.deepEqual([shown.notes, shown.troubles], [undefined, undefined]);
    t.deepEqual(shown.settings.lifetime, { seconds: 600 });
  }
  const { daemon: last } = JSON.parse((await cli("status", "--json")).stdout);
  t.deepEqual(last.problems, []);
});

test("a mistake in a lifetime is told with its key, and nothing is kept of it", async (t) => {
  const daemon = await startDaemon(t);
  const { code, stderr } = await daemon.cli([
    ...["add", "demo", "--grant", "client_credentials", "--set", "client_id=me"],
    ...["--set", "token_url=https://issuer.example", "--set", "lifetime.zone=Europe/Berln"],
  ]);
  t.is(code, 2);
  t.regex(stderr, /lifetime\.zone: is no time zone .*Did you mean "Europe\/Berlin"/);
});
