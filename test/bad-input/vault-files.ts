/** Sealed files that were damaged in every way: each costs its own credential, and is left as it is. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import fc from "fast-check";
import { RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { sealedRecord } from "../../bench/helpers/sealed-record.ts";
import { type Client, connect } from "../../src/client.ts";
import { type Daemon, makeHome, startDaemon } from "../helpers/daemon.ts";
import { onUnix } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const HOUR = 3_600_000;
/** Root heeds the mode of its own files without these. */
const AS_ORDINARY_USER =
  process.geteuid?.() === 0
    ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    : [];

/** What becomes of the sealed file of the credential of that name, and what the daemon says of it. */
const DAMAGES: readonly {
  name: string;
  does: (path: string, good: Buffer) => void;
  says: RegExp;
}[] = [
  ...[0, 1, 40, 79, 80, 91, 92, 107].map((length) => ({
    name: `length-${length}`,
    does: (path: string) => truncateSync(path, length),
    says: /no header|cut short or altered|header can't be read/,
  })),
  ...[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((left) => ({
    name: `tag-${left}`,
    does: (path: string, good: Buffer) => truncateSync(path, good.length - 16 + left),
    says: /cut short or altered/,
  })),
  {
    name: "longer",
    does: (path, good) => writeFileSync(path, Buffer.concat([good, Buffer.from("x")])),
    says: /cut short or altered/,
  },
  {
    name: "newer",
    does: (path, good) => writeFileSync(path, withHeader(good, { format: 2 })),
    says: /made by a newer authd, so update authd/,
  },
  {
    name: "another-algorithm",
    does: (path, good) => writeFileSync(path, withHeader(good, { alg: "none" })),
    says: /no format that authd knows/,
  },
  {
    name: "another-key",
    does: (path, good) => writeFileSync(path, withHeader(good, { keyId: "0123456789abcdef" })),
    says: /another vault's key/,
  },
  {
    name: "folder",
    does: (path) => {
      rmSync(path);
      mkdirSync(path);
      writeFileSync(join(path, "precious"), "x");
    },
    says: /a folder is in its place/,
  },
  {
    name: "link",
    does: (path) => {
      renameSync(path, `${path}.moved`);
      symlinkSync(`${path}.moved`, path);
    },
    says: /a link is in its place/,
  },
  {
    name: "dangling",
    does: (path) => {
      rmSync(path);
      symlinkSync("nowhere", path);
    },
    says: /a link is in its place/,
  },
  {
    name: "pipe",
    does: (path) => {
      rmSync(path);
      execFileSync("mkfifo", [path]);
    },
    says: /no ordinary file/,
  },
  {
    name: "unreadable",
    does: (path) => chmodSync(path, 0),
    says: /can't be read: EACCES/,
  },
  {
    name: "gigabyte",
    does: (path) => truncateSync(path, 2 ** 30),
    says: /larger than 64 MiB/,
  },
];

function withHeader(file: Buffer, changes: object): Buffer {
  const end = file.indexOf("\n");
  const header = { ...JSON.parse(file.subarray(0, end).toString()), ...changes };
  return Buffer.concat([Buffer.from(JSON.stringify(header)), file.subarray(end)]);
}

/** All that can be told of what is at a path. */
function pictureOf(path: string) {
  const stats = lstatSync(path);
  const { ino, size, mode } = stats;
  const isSmall = stats.isFile() && size < 2 ** 20 && mode & 0o400;
  return {
    ...{ ino, size, mode },
    content: isSmall ? readFileSync(path).toString("hex") : "",
    target: stats.isSymbolicLink() ? readlinkSync(path) : "",
  };
}

function clientOf(t: ExecutionContext, { socket }: { socket: string }): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

const sealedPath = ({ stateDir }: { stateDir: string }, name: string) =>
  join(stateDir, "vault", `${name}.sealed`);

/** Rotating credentials by these names beside a healthy one, all sealed; the daemon has ended. */
async function setup(t: ExecutionContext, names: readonly string[]) {
  const issuer = await RotatingIssuer.start({ lifetime: HOUR });
  t.teardown(() => issuer.close());
  const daemon = await startDaemon(t, { through: AS_ORDINARY_USER });
  const client = clientOf(t, daemon);
  for (const name of [...names, "healthy"]) {
    const credential = issuer.credential(issuer.signIn(name));
    await client.request("credentials/add", { name, ...credential });
  }
  client.close();
  await daemon.stop();
  const start = () => startDaemon(t, { home: daemon, through: AS_ORDINARY_USER });
  return { issuer, daemon, start };
}

/** What programs and people do with it in vain. */
async function assertDamaged(t: ExecutionContext, client: Client, name: string, says: RegExp) {
  const { state, lastError } = await client.request("credentials/show", { credential: name });
  t.is(state, "damaged", name);
  t.regex(lastError?.message ?? "", says, name);
  t.regex(lastError?.message ?? "", /put a good copy back, or enter the secrets again/, name);
  for (const attempt of [
    () => client.getToken({ credential: name }),
    () => client.getToken({ credential: name, forceRefresh: true }),
    () => client.request("credentials/refresh", { credential: name }),
    () => client.request("credentials/trust", { credential: name }),
    () => client.request("credentials/set", { credential: name, secrets: { refresh_token: "x" } }),
  ]) {
    const error = await t.throwsAsync<Error & { reason?: string }>(attempt, undefined, name);
    t.is(error?.reason, "credential_damaged", `${name}: ${error?.message}`);
  }
}

async function assertHealthy(t: ExecutionContext, daemon: Daemon, client: Client) {
  const before = sealedRecord(join(daemon.stateDir, "vault"), "healthy").secrets.refresh_token;
  await client.getToken({ credential: "healthy", scope: `${process.hrtime.bigint()}` });
  const after = sealedRecord(join(daemon.stateDir, "vault"), "healthy").secrets.refresh_token;
  t.not(after, before);
}

onUnix(
  "damaged in any way, a sealed file costs that credential alone, says how, and is left as it is",
  async (t) => {
    const { issuer, daemon, start } = await setup(
      t,
      DAMAGES.map(({ name }) => name),
    );
    for (const { name, does } of DAMAGES) {
      const path = sealedPath(daemon, name);
      t.teardown(() => name === "unreadable" && chmodSync(path, 0o600));
      does(path, readFileSync(path));
    }
    const pictures = () => DAMAGES.map(({ name }) => [name, pictureOf(sealedPath(daemon, name))]);
    const before = pictures();
    const requests = issuer.seen.length;
    const next = await start();
    const client = clientOf(t, next);
    for (const { name, says } of DAMAGES) await assertDamaged(t, client, name, says);
    t.is(issuer.seen.length, requests, "no secret was sent");
    await assertHealthy(t, next, client);
    t.deepEqual(pictures(), before);
    t.is((await next.stop()).code, 0);
    t.deepEqual(pictures(), before);
  },
);

onUnix(
  "the files of two credentials swapped: neither is used, both are left, and swapped back both work",
  async (t) => {
    const { issuer, daemon, start } = await setup(t, ["one", "two"]);
    const [one, two] = [sealedPath(daemon, "one"), sealedPath(daemon, "two")];
    const swap = () => {
      renameSync(one, `${one}.x`);
      renameSync(two, one);
      renameSync(`${one}.x`, two);
    };
    swap();
    const before = [pictureOf(one), pictureOf(two)];
    const next = await start();
    const client = clientOf(t, next);
    for (const name of ["one", "two"]) {
      await assertDamaged(t, client, name, /altered, or belongs to another credential/);
    }
    await assertHealthy(t, next, client);
    await next.stop();
    t.deepEqual([pictureOf(one), pictureOf(two)], before);
    swap();
    const last = clientOf(t, await start());
    for (const name of ["one", "two"]) await last.getToken({ credential: name, scope: "again" });
    t.deepEqual(
      issuer.seen.map(({ outcome }) => outcome).filter((outcome) => outcome !== "rotated"),
      [],
    );
  },
);

onUnix(
  "any bit flipped, any length cut, any bytes in the place: damaged, and left as it is",
  async (t) => {
    const names = Array.from({ length: 100 }, (_, index) => `n${index}`);
    const { daemon, start } = await setup(t, names);
    const damage = fc.oneof(
      fc.record({ bit: fc.nat() }),
      fc.record({ cut: fc.nat() }),
      fc.record({ bytes: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ insert: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }),
    );
    const damages = fc.sample(damage, names.length);
    for (const [index, each] of damages.entries()) {
      const path = sealedPath(daemon, names[index]!);
      writeFileSync(path, damaged(readFileSync(path), each));
    }
    t.log(`seeded by the clock; the damages: ${JSON.stringify(damages).length} bytes of JSON`);
    const pictures = () => names.map((name) => pictureOf(sealedPath(daemon, name)));
    const before = pictures();
    const next = await start();
    const client = clientOf(t, next);
    const { credentials } = await client.request("credentials/list", {});
    for (const { name, state } of credentials) {
      const what = `${name}: ${JSON.stringify(damages[names.indexOf(name)])}`;
      t.is(state === "damaged", name !== "healthy", what);
    }
    for (const name of names) await t.throwsAsync(client.getToken({ credential: name }));
    await assertHealthy(t, next, client);
    await next.stop();
    t.deepEqual(pictures(), before);
  },
);

interface Damage {
  bit?: number;
  cut?: number;
  bytes?: Uint8Array;
  insert?: number;
  byte?: number;
}

function damaged(good: Buffer, { bit, cut, bytes, insert, byte }: Damage): Uint8Array {
  if (bytes) return bytes;
  if (cut !== undefined) return good.subarray(0, cut % good.length);
  if (insert !== undefined) {
    const at = insert % (good.length + 1);
    return Buffer.concat([good.subarray(0, at), Buffer.from([byte ?? 0]), good.subarray(at)]);
  }
  const flipped = Buffer.from(good);
  flipped[((bit ?? 0) >> 3) % good.length]! ^= 1 << ((bit ?? 0) & 7);
  return flipped;
}

onUnix(
  "damaged under the daemon: what it holds is served and renewed, the file left, and moved away it is written anew",
  async (t) => {
    const home = makeHome(t);
    const issuer = await RotatingIssuer.start({ lifetime: HOUR });
    t.teardown(() => issuer.close());
    const daemon = await startDaemon(t, { home });
    const client = clientOf(t, daemon);
    const family = issuer.signIn("family");
    await client.request("credentials/add", { name: "demo", ...issuer.credential(family) });
    const path = sealedPath(home, "demo");
    const vault = join(home.stateDir, "vault");
    await until(() => sealedRecord(vault, "demo").tokens.length !== 0);
    truncateSync(path, 60);
    const before = pictureOf(path);
    for (const scope of ["one", "two"]) await client.getToken({ credential: "demo", scope });
    const show = () => client.request("credentials/show", { credential: "demo" });
    const { unsaved } = await show();
    t.is(unsaved?.atRisk, "secrets");
    t.regex(unsaved?.message ?? "", /no header.*left as it is.*Moved away, it is written anew/);
    t.deepEqual(pictureOf(path), before);
    renameSync(path, `${path}.kept`);
    await until(async () => !(await show()).unsaved);
    t.is(sealedRecord(vault, "demo").secrets.refresh_token, family.refreshTokens.at(-1));
    t.deepEqual(pictureOf(`${path}.kept`), before);
    t.is((await daemon.stop()).code, 0);
  },
);
