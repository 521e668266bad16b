/** Text of others that would steer the terminal of whoever looks at it. */
import test from "ava";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";

/** Title, clear screen, colour, hyperlink, clipboard, C1 forms, reversed text, a line of its own. */
const EVIL =
  "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b]8;;http://evil\x1b\\link\x1b]52;c;ZXZpbA==\x07\x9b2J\x9d0;x\x9c\u202eesrever\u2066\r\nauthd: fine\x08\x7f\u2028";
const STEERS = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

test("what an issuer, an API or a client says steers no terminal, whatever command shows it", async (t) => {
  const issuer = await startIssuer(t, ({ path }, response) => {
    if (path === "/api") {
      response.socket?.end(
        `HTTP/1.1 418 \x1b[2Jteapot\r\nx-evil: \x1b[2J\x9b2J\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      );
      return undefined;
    }
    const error = { error: `invalid_client${EVIL}`, error_description: EVIL, error_uri: EVIL };
    return { status: 401, json: path === "/short" ? { ...error, error: "invalid_client" } : error };
  });
  const daemon = await startDaemon(t);
  const settings = { token_url: issuer.url, client_id: EVIL, origins: [issuer.origin] };
  const secrets = { client_secret: "practice" };
  const outputs: string[] = [];
  const note = async (args: readonly string[], input?: string) => {
    const { stdout, stderr } = await daemon.cli(args, input === undefined ? {} : { input });
    outputs.push(`${args[0]}: ${stdout}${stderr}`);
  };
  const added = await daemon.add("mine", {
    credential: { grant: "client_credentials", settings, secrets },
  });
  outputs.push(added.stdout + added.stderr);
  const short = { ...settings, token_url: `${issuer.origin}/short` };
  const other = await daemon.add("other", {
    credential: { grant: "client_credentials", settings: short, secrets },
  });
  outputs.push(other.stdout + other.stderr);
  const fixed = { settings: { origins: [issuer.origin] }, secrets: { token: "practice-token" } };
  await daemon.add("fixed", { credential: { grant: "static", ...fixed } });
  await Promise.all([
    note(["get", "mine"]),
    note(["get", "other"]),
    note(["refresh", "other"]),
    note(["test", "other"]),
    note(["request", "fixed", `${issuer.origin}/api`, "-i"]),
    note(["get", `no${EVIL}`]),
    note(["request", "fixed", `https://${EVIL}`]),
    note(["request", "fixed", "https://evil.example", "-H", EVIL]),
    note(["set", "other", "--set", `${EVIL}=1`]),
    note(["add", "x", "--grant", EVIL]),
    note(["add", "x", "--grant", "static", "--secrets-from", "-"], JSON.stringify({ [EVIL]: "x" })),
  ]);
  await Promise.all([
    note(["list"]),
    note(["show", "mine"]),
    note(["show", "other"]),
    note(["status"]),
    note(["events"]),
    note(["doctor"]),
    note(["list", "--json"]),
    note(["events", "--json"]),
  ]);
  t.true(outputs.some((text) => text.includes("invalid_client")));
  for (const text of outputs) {
    const found = STEERS.exec(text);
    t.is(
      found?.[0],
      undefined,
      JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 80)).slice(0, 200)),
    );
    t.notRegex(text, /^authd: fine/m);
  }
});
