import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { resolveCredential } from "../../src/config.ts";
import type { Credential, CredentialEvent } from "../../src/credential.ts";
import { createHttp } from "../../src/http.ts";
import { Lanes } from "../../src/lanes.ts";
import type { CredentialRecord } from "../../src/record.ts";
import { Registry } from "../../src/registry.ts";
import type { CredentialSettings } from "../../src/settings.ts";
import { Timekeeper } from "../../src/timekeeper.ts";
import { openVault } from "../../src/vault/index.ts";
import type { Vault } from "../../src/vault/vault.ts";
import { FakeClock } from "./fake-clock.ts";
import { temporaryFolder } from "./folder.ts";

/** A registry with a real vault and real HTTP, on a clock that the test moves. */
export interface Engine {
  clock: FakeClock;
  registry: Registry;
  vault: Vault<CredentialRecord>;
  events: CredentialEvent[];
  /** What was logged as an error. */
  errors: string[];
  settings(name: string, file: Record<string, unknown>): CredentialSettings;
  /** Seals the secrets, and adds the credential. */
  add(
    name: string,
    file: Record<string, unknown>,
    secrets: Record<string, string>,
    record?: Partial<CredentialRecord>,
  ): Promise<Credential>;
  /** A new registry over the same vault and clock: what a restart of the daemon comes to. */
  restart(): Promise<Engine>;
}

export async function startEngine(
  t: ExecutionContext,
  { dir = temporaryFolder(t), clock = new FakeClock() } = {},
): Promise<Engine> {
  const errors: string[] = [];
  const quiet = () => {};
  const log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (_: object, text: string) => void errors.push(text),
  };
  const vault = await openVault<CredentialRecord>({
    dir: join(dir, "vault"),
    keySource: "file",
    env: {},
    log: { info: quiet, warn: quiet },
  });
  const http = createHttp();
  const events: CredentialEvent[] = [];
  const registry = new Registry({
    clock,
    time: new Timekeeper(clock),
    http,
    lanes: new Lanes(),
    vault,
    log,
    onEvent: (event) => void events.push(event),
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      registry.close();
      await http.close();
      await vault.close();
    })();
    return closing;
  };
  t.teardown(close);
  const settings = (name: string, file: Record<string, unknown>) =>
    resolveCredential(name, file, {}, { configDir: dir });
  return {
    clock,
    registry,
    vault,
    events,
    errors,
    settings,
    async add(name, file, secrets, record = {}) {
      const known = settings(name, file);
      const sealed = { secrets, binding: known.binding, tokens: [], ...record };
      await vault.write(name, sealed, { durable: true });
      return registry.add(known);
    },
    async restart() {
      await close();
      return await startEngine(t, { dir, clock });
    },
  };
}

/** Waits, in real time, for something that real I/O brings about. */
export async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((resolve) => setTimeout(resolve, 2));
}
