/** A disk that fails while a refresh token is rotated: each fault, at each moment, with its retries on the fake clock. */
import { cpSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { sealedRecord } from "../../bench/helpers/sealed-record.ts";
import { checkDisk } from "../../src/cli/doctor/vault.ts";
import { sheet } from "../../src/cli/show.ts";
import { credentialTable } from "../../src/cli/status/credential-table.ts";
import type { Paint } from "../../src/cli/style.ts";
import { DISK_FAULTS, type DiskFault, type Place } from "../helpers/failing-disk.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRootSerial as test } from "../helpers/optional.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const NAME = "demo";
const RETRY_MS = 5_000;
const paint: Paint = (_, text) => text;

const accessTokenFor = async ({ registry }: TestRegistry, scope?: string) =>
  (await registry.get(NAME).token(scope === undefined ? {} : { scope })).answer.accessToken;

/** A registry on a disk that can be made to fail, with a credential that has been renewed once. */
async function setup(t: ExecutionContext, place: Place) {
  /** Called when the next request has arrived. */
  let arrived: (() => Promise<void>) | undefined;
  const issuer = await RotatingIssuer.start({
    lifetime: 3_600_000,
    arrived: async () => {
      const onArrival = arrived;
      arrived = undefined;
      await onArrival?.();
    },
  });
  t.teardown(() => issuer.close());
  const family = issuer.signIn("family");
  const { grant, settings, secrets } = issuer.credential(family);
  const file = { grant, ...settings };
  const engine = await startTestRegistry(t, { dir: dirname(place.vault) });
  await engine.add(NAME, file, secrets);
  await accessTokenFor(engine);
  // Nothing more is to be written.
  await until(() => sealedRecord(place.vault, NAME).tokens.length > 0);
  await engine.sealed.settled();
  const atNextRequest = (work: () => Promise<void>) => {
    arrived = work;
  };
  return { issuer, family, file, engine, atNextRequest };
}

/** What a person or a program hears of it, and the daemon's log and desktop. */
async function assertTold(t: ExecutionContext, engine: TestRegistry, says: RegExp) {
  const { registry, clock, events } = engine;
  t.deepEqual(registry.unsaved, [NAME]);
  t.true(events.some(({ kind, credential }) => kind === "unsaved" && credential === NAME));
  const info = registry.info(NAME);
  const options = { now: clock.wall(), columns: Number.POSITIVE_INFINITY, paint };
  const table = credentialTable([info], options).join("\n");
  t.regex(table, /not on disk: demo: kept in memory only/);
  const shown = sheet(info, options.now, paint).join("\n");
  t.regex(shown, /not sealed +since .*newest refresh token is lost/);
  t.regex(shown, says);
  const context = { env: {}, now: options.now, credentials: [info], isElsewhere: true };
  const [finding] = await checkDisk(context);
  t.like(finding, { level: "problem", about: NAME });
  t.regex(finding?.message ?? "", /^in memory only for/);
  t.regex(finding?.message ?? "", says);
}

/** Opens the files as a process killed now would leave them. */
async function startOnCopy(t: ExecutionContext, place: Place, engine: TestRegistry, file: object) {
  const dir = temporaryFolder(t);
  cpSync(place.vault, join(dir, "vault"), { recursive: true });
  const next = await startTestRegistry(t, { dir, clock: engine.clock });
  next.registry.add(next.settings(NAME, { ...file }));
  return { next, vault: join(dir, "vault") };
}

for (const [what, { prepare, says }] of Object.entries(DISK_FAULTS) as [string, DiskFault][]) {
  for (const moment of ["before the intent", "with the request under way"] as const) {
    // One after another: a fault can befall the whole process.
    test(`a disk that ${what} ${moment}: the rotated refresh token is served from memory, told of, and written when it can be`, async (t) => {
      const place = await prepare(t, { stateDir: join(temporaryFolder(t), "state") });
      if (!place) return;
      const { issuer, family, file, engine, atNextRequest } = await setup(t, place);
      let mend = async () => {};
      const strike = async () => {
        mend = await place.strike(process.pid);
      };
      if (moment === "before the intent") await strike();
      else atNextRequest(strike);
      for (const scope of ["one", "two"]) {
        const accessToken = await accessTokenFor(engine, scope);
        t.is(issuer.access.get(accessToken)?.refreshToken, family.refreshTokens.at(-1));
      }
      const { unsaved } = engine.registry.info(NAME);
      t.is(unsaved?.atRisk, "secrets");
      t.regex(unsaved?.message ?? "", says);
      await assertTold(t, engine, says);
      t.is(family.refreshTokens.length, 4);

      // A failure that is told later would put the retry off.
      await engine.sealed.settled();
      await nextTurn();
      await mend();
      engine.clock.advance(RETRY_MS);
      await until(() => engine.registry.unsaved.length === 0);
      t.is(sealedRecord(place.vault, NAME).secrets.refresh_token, family.refreshTokens.at(-1));
      const complaints = engine.errors.filter((line) => line.includes("kept in memory only"));
      // Once more when the refresh token came: more is at stake than before.
      t.is(complaints.length, moment === "before the intent" ? 2 : 1, complaints.join("\n"));
      const sealed = engine.events.filter(({ kind }) => kind === "sealed");
      t.regex(sealed[0]?.message ?? "", /demo: sealed again, after/);
      t.is(sealed.length, 1);

      const { next, vault } = await startOnCopy(t, place, engine, file);
      await accessTokenFor(next, "three");
      t.false(family.revoked);
      t.is(sealedRecord(vault, NAME).secrets.refresh_token, family.refreshTokens.at(-1));
    });
  }
}
