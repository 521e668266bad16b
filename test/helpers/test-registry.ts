import { join } from "node:path";
import type { Log } from "../../src/base/log.ts";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { resolveCredential } from "../../src/config/config.ts";
import type { CredentialSettings } from "../../src/config/settings.ts";
import type { Credential } from "../../src/credential/credential.ts";
import type { CandidateFiles } from "../../src/credential/credential-deps.ts";
import { HostLimiter } from "../../src/credential/host-limiter.ts";
import { OneTimeCodes } from "../../src/credential/one-time-codes.ts";
import { type CredentialRecord, isGuarded } from "../../src/credential/record.ts";
import { Registry } from "../../src/credential/registry.ts";
import { SpendingRequests } from "../../src/credential/spending-requests.ts";
import { createHttp, type Http } from "../../src/http/http.ts";
import { IssuerClocks } from "../../src/http/issuer-clock.ts";
import type { EventPayload } from "../../src/protocol.ts";
import { openVault } from "../../src/vault/index.ts";
import type { ManagedVault } from "../../src/vault/vault.ts";
import { FakeClock } from "./fake-clock.ts";
import { temporaryFolder } from "./folder.ts";
import { HeldVault } from "./held-vault.ts";
import { NO_CANDIDATES } from "./no-candidates.ts";
import type { Scope } from "./scope.ts";

/**
 * Limits opening a connection, in real time: no fake clock would bring the next try. As `until`: longer than a
 * loaded machine takes.
 */
const CONNECT_TIMEOUT_MS = 60_000;

/** A registry with a real vault and real HTTP, on a clock that the test moves. */
export interface TestRegistry {
  clock: FakeClock;
  registry: Registry;
  vault: HeldVault;
  /** The same, as the daemon has it: changes never wait. */
  sealed: ManagedVault<CredentialRecord>;
  time: Timekeeper;
  http: ReturnType<typeof createHttp>;
  log: Log;
  /** Holds the vault; gone when the test ends. */
  dir: string;
  /** Until a test says otherwise, nothing that has worked is put in force. */
  candidates: CandidateFiles;
  events: EventPayload[];
  /** How often the timer has rung. */
  readonly rings: number;
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
  restart(): Promise<TestRegistry>;
}

export interface TestRegistryOptions {
  dir?: string;
  clock?: FakeClock;
  /** The vault is sealed with it, and whoever looks for the key finds it; without, the key is in a file. */
  passphrase?: string;
  /** With every ring of the timer. */
  onTick?: () => void;
  /** Programs of subject tokens may be run. */
  allowsExec?: boolean;
  /** Stands between the engine and the network. */
  through?: (http: Http) => Http;
}

export async function startTestRegistry(
  t: Scope,
  {
    dir = temporaryFolder(t),
    clock = new FakeClock(),
    passphrase,
    onTick = () => {},
    allowsExec = false,
    through = (http) => http,
  }: TestRegistryOptions = {},
): Promise<TestRegistry> {
  const errors: string[] = [];
  const quiet = () => {};
  const log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (_: object, text: string) => void errors.push(text),
  };
  const sealed = await openVault<CredentialRecord>({
    dir: join(dir, "vault"),
    keySource: passphrase === undefined ? "file" : "passphrase",
    ...(passphrase === undefined ? {} : { passphrase: async () => passphrase }),
    env: {},
    isGuarded,
    log: { info: quiet, warn: quiet },
  });
  const vault = new HeldVault(sealed);
  const http = createHttp();
  const events: EventPayload[] = [];
  const time = new Timekeeper(clock, () => http.reconnect());
  const candidates: CandidateFiles = { ...NO_CANDIDATES };
  const deps = {
    ...{ candidates, clock, time, allowsExec },
    http: through((request) => http({ ...request, connectTimeoutMs: CONNECT_TIMEOUT_MS })),
    hostLimiter: new HostLimiter(),
    codes: new OneTimeCodes(),
    issuerClocks: new IssuerClocks(time),
    spendingRequests: new SpendingRequests(),
    vault,
    log,
    onEvent: (event: EventPayload) => void events.push(event),
  };
  let rings = 0;
  const registry = new Registry(deps, () => {
    rings++;
    onTick();
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
    sealed,
    time: deps.time,
    http,
    log,
    dir,
    candidates,
    events,
    get rings() {
      return rings;
    },
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
      const same = passphrase === undefined ? {} : { passphrase };
      return await startTestRegistry(t, { dir, clock, onTick, through, ...same });
    },
  };
}
