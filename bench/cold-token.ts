/**
 * How long a caller waits for a token that has to be obtained, beyond one token request of a bare Node process:
 * the first token after the daemon's start, and the first of a credential that signs, that binds its tokens to a
 * key (DPoP), or that exchanges a token in a file, beside others that are in use. The fastest of many rounds counts, as with starts.
 */
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { number } from "./helpers/amounts.ts";
import { run } from "./helpers/bench.ts";
import { Caller } from "./helpers/caller.ts";
import { startDaemon, startProgram } from "./helpers/child.ts";
import { fillHome, type Home, makeHome } from "./helpers/home.ts";
import { compare } from "./helpers/rounds.ts";

const MOST_MS = 5;
/** Time (ms) after the start in which a daemon comes to rest. */
const SETTLE_MS = 1_000;
/** Credential files without the address, by name. */
const FILES = {
  plain: 'grant = "client_credentials"\nclient_id = "bench"',
  signing:
    'grant = "client_credentials"\nclient_id = "bench"\nclient_auth = "private_key_jwt"\nalgorithm = "ES256"',
  bound: 'grant = "client_credentials"\nclient_id = "bench"\ndpop = true',
  exchanging: 'grant = "token_exchange"\nclient_id = "bench"\nsubject = { file = "SUBJECT" }',
};

await run(async (bench) => {
  const issuer = await startProgram(bench, "token-server.js");

  const settleMs = bench.quick ? 50 : SETTLE_MS;
  let round = 0;
  const first = (credential: string, before?: string) => async () => {
    const home = makeHome(bench, `home-${round++}`);
    await prepare(home, `${issuer}/token`);
    const daemon = await startDaemon(bench, home);
    await sleep(settleMs);
    const caller = new Caller(home.socket);
    await caller.call("status", {});
    if (before) await tokenOf(caller, before);
    const tookMs = await tokenOf(caller, credential);
    caller.close();
    await daemon.stop();
    return tookMs;
  };
  const measured = await compare(bench.quick ? 1 : 11, {
    bare: async () => Number(await startProgram(bench, "bare-token.js", `${issuer}/token`)),
    "the first after a start": first("plain"),
    "the first after a start, signed": first("signing"),
    "the first after a start, bound (DPoP)": first("bound"),
    "the first after a start, exchanged": first("exchanging"),
    "signed, beside others": first("signing", "plain"),
    "bound (DPoP), beside others": first("bound", "plain"),
    "exchanged, beside others": first("exchanging", "plain"),
  });
  const { bare, ...rows } = measured;
  for (const [what, { least }] of Object.entries(rows)) {
    bench.row({
      what: `a cold getToken, ${what}`,
      measured: least - bare.least,
      unit: "ms",
      most: MOST_MS,
      detail: `${number(least)} ms; beyond a bare token request, ${number(bare.least)} ms`,
    });
  }
});

/** Returns the milliseconds that a token took. */
async function tokenOf(caller: Caller, credential: string): Promise<number> {
  const startedAt = performance.now();
  await caller.call("getToken", { credential });
  return performance.now() - startedAt;
}

/** Makes credentials that have no token yet. */
async function prepare(home: Home, token_url: string): Promise<void> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  const subject = join(home.configDir, "subject");
  writeFileSync(subject, "bench", { mode: 0o600 });
  const files = Object.entries(FILES).map(([name, text]) => {
    const whole = `${text.replace("SUBJECT", subject)}\ntoken_url = "${token_url}"\n`;
    return [name, whole] as const;
  });
  await fillHome(home, new Map(files), (name) => ({
    ...(name === "signing" && { secrets: { key } }),
    tokens: [],
  }));
}
