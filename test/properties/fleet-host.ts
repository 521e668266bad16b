/** A host of a fleet, whose way to the store fails as it is told. */
import { Turns } from "../../src/base/turns.ts";
import type { Credential } from "../../src/credential/credential.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import type { Store } from "../../src/vault/store/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { FileScope, type Scope } from "../helpers/scope.ts";
import { type SharingHost, startHost } from "../helpers/sharing-host.ts";
import type { FleetTime } from "./fleet-time.ts";
import type { RotatingIssuer } from "./rotating-issuer.ts";

/** A question to the store is answered; fails; is lost on its way back; or waits, on its way there or back. */
export const WAYS = ["open", "cut", "deaf", "held", "late"] as const;
export type Way = (typeof WAYS)[number];

/** A question to a real store fails after this (ms). */
const QUESTION_MS = 5_000;

export interface FleetHostOptions {
  name: string;
  time: FleetTime;
  /** Holds the folder of the store. */
  dir: string;
  issuer: RotatingIssuer;
  file: Record<string, unknown>;
}

/** One life of a host, from its start to its end. */
interface Life {
  scope: FileScope;
  host: SharingHost;
  credential: Credential;
  kill: () => void;
  isEnding: boolean;
}

export class FleetHost {
  readonly options: FleetHostOptions;
  readonly #vaultDir: string;
  readonly #turns = new Turns();
  #life: Life | undefined;
  #way: Way = "open";
  /** Questions that wait for another way. */
  readonly #waiting: (() => void)[] = [];

  constructor(scope: Scope, options: FleetHostOptions) {
    this.options = options;
    this.#vaultDir = temporaryFolder(scope);
  }

  get name(): string {
    return this.options.name;
  }

  get credential(): Credential {
    return this.#life!.credential;
  }

  get host(): SharingHost {
    return this.#life!.host;
  }

  /** How questions to the store go from now on. */
  setWay(way: Way): void {
    this.#way = way;
    for (const look of this.#waiting.splice(0)) look();
  }

  /** Starts it; with `token`, its credential is entered first. */
  async start(token?: string): Promise<void> {
    const { name, time, dir, issuer, file } = this.options;
    const scope = new FileScope();
    let isDead = false;
    const host = await startHost(scope, dir, name, {
      ...{ clock: time.clock, known: this.#life?.host.known },
      engine: { dir: this.#vaultDir, through: () => issuer.httpFor(name, () => isDead) },
      openStore: async (folder) => this.#through(folder, () => isDead),
    });
    host.vault.inTurn = async (change) => {
      if (isDead) throw new Error("killed");
      return await time.onDisk(change);
    };
    const credential = token
      ? await host.add("a", file, { refresh_token: token })
      : host.registry.add(host.settings("a", file));
    const kill = () => {
      isDead = true;
      this.setWay(this.#way);
    };
    this.#life = { scope, host, credential, kill, isEnding: false };
  }

  /** Nothing reaches its disk, the store or the issuer any more. */
  kill(): void {
    this.#life!.kill();
  }

  /** Resolves when nothing of it is on the way into the store, for which time has to pass. */
  async stop(): Promise<void> {
    this.#life!.isEnding = true;
    await this.host.sync.stop();
  }

  /** After `stop`. */
  async end(): Promise<void> {
    await this.#life!.scope.end();
  }

  /** The access token that it has is no good. */
  async refresh(): Promise<void> {
    if (this.host.vault.locked !== undefined) return;
    const rejectedToken = this.credential.record.tokens[0]?.accessToken ?? "none";
    await this.credential.token({ rejectedToken });
  }

  /** Runs a person's changes, and locks, one at a time, as long as it runs and is open. */
  async inTurn(work: () => Promise<unknown>): Promise<void> {
    const life = this.#life!;
    await this.#turns.run(async () => {
      if (!life.isEnding && life.host.vault.locked === undefined) await work();
    });
  }

  async lock(): Promise<void> {
    const { sealed, registry, sync, vault } = this.host;
    if (vault.locked !== undefined) return;
    await this.options.time.onDisk(() => sealed.lock("locked", () => registry.spending));
    this.credential.load();
    void sync.stop();
  }

  async unlock(): Promise<void> {
    const { sealed, sync, vault } = this.host;
    if (vault.locked === undefined) return;
    await this.options.time.onDisk(() => sealed.unlock());
    this.credential.load();
    void sync.start();
  }

  #through(folder: string, isDead: () => boolean): Store {
    const ask = (question: () => Promise<unknown>) => this.#ask(question, isDead);
    return new Proxy<Store>(new FileStore(folder, this.options.time.clock.boot), {
      get(store, key: keyof Store) {
        // Notices get lost.
        if (key === "watch") return () => () => {};
        // It is awaited, and is no promise.
        if (typeof store[key] !== "function") return undefined;
        const question = store[key].bind(store) as (...given: unknown[]) => Promise<unknown>;
        return key === "close" ? question : (...given: unknown[]) => ask(() => question(...given));
      },
    });
  }

  async #ask(question: () => Promise<unknown>, isDead: () => boolean): Promise<unknown> {
    const assertReached = () => {
      if (isDead() || this.#way === "cut") throw new Error("out of reach");
    };
    while (this.#way === "held" && !isDead()) await this.#change();
    assertReached();
    const answer = await this.options.time.onDisk(question);
    while (this.#way === "late" && !isDead()) await this.#change();
    assertReached();
    if (this.#way === "deaf") throw new Error("no answer");
    return answer;
  }

  /** Resolves when the way is another one. Rejects when nobody waits for the answer any longer. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const end = () => reject(new Error("no answer in time"));
      const timer = this.options.time.clock.schedule(QUESTION_MS, end);
      this.#waiting.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
