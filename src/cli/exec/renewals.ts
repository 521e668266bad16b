/** Keeps token files fresh while a child runs. */
import { messageOf } from "../../errors.ts";
import type { GetTokenResult, Notifications } from "../../protocol.ts";
import type { DaemonConnection } from "../../rpc/daemon-connection.ts";
import { callDaemon, connectToDaemon } from "../call-daemon.ts";
import { plain } from "../style.ts";
import type { MemoryFiles } from "./memory-files.ts";

/** Between two looks at a token, ms. */
const LOOK_MS = { least: 1_000, most: 3_600_000 } as const;
/** Delay (ms) of the next try after a failure; it doubles up to the most. */
const RETRY_MS = { first: 1_000, most: 60_000 } as const;
/** Between tries to connect again, ms. */
const RECONNECT_MS = 1_000;

/**
 * Writes each newer token into the files of its credential. The daemon tells of a renewal; besides, each token
 * is asked for again when half of its life has gone, which makes the daemon renew it in time.
 */
export class Renewals {
  readonly #files: MemoryFiles;
  readonly #tokens = new Map<string, string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  #connection: DaemonConnection | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  readonly #stopped = new AbortController();

  constructor(files: MemoryFiles) {
    this.#files = files;
  }

  start(tokens: ReadonlyMap<string, GetTokenResult>): void {
    for (const credential of this.#files.credentials)
      this.#took(credential, tokens.get(credential)!);
    if (this.#files.credentials.length > 0) void this.#listen(false);
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#reconnect);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#connection?.destroy();
  }

  /** Subscribes. `isAgain`: a renewal may have been missed meanwhile. */
  async #listen(isAgain: boolean): Promise<void> {
    try {
      const connection = await connectToDaemon();
      this.#connection = connection;
      if (this.#stopped.signal.aborted) return connection.destroy();
      connection.onClose = () => this.#listenLater();
      connection.onNotification = (name, params) => {
        const { credential } = params as Notifications["token/refreshed"];
        if (name === "token/refreshed" && this.#tokens.has(credential)) void this.#look(credential);
      };
      for (const credential of this.#tokens.keys())
        await connection.request("subscribe", { credential });
      if (isAgain) for (const credential of this.#tokens.keys()) void this.#look(credential);
    } catch {
      if (this.#connection?.closed !== false) this.#listenLater();
    }
  }

  #listenLater(): void {
    if (this.#stopped.signal.aborted) return;
    clearTimeout(this.#reconnect);
    this.#reconnect = setTimeout(() => void this.#listen(true), RECONNECT_MS);
  }

  async #look(credential: string): Promise<void> {
    try {
      const result = await callDaemon("getToken", { credential }, undefined, this.#stopped.signal);
      if (this.#stopped.signal.aborted) return;
      if (result.accessToken !== this.#tokens.get(credential))
        this.#files.replace(credential, result.accessToken);
      this.#failures.delete(credential);
      this.#took(credential, result);
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#failed(credential, error);
    }
  }

  #took(credential: string, { accessToken, expiresAt }: GetTokenResult): void {
    this.#tokens.set(credential, accessToken);
    const halfMs = expiresAt === null ? LOOK_MS.most : (expiresAt - Date.now()) / 2;
    this.#lookIn(credential, Math.min(Math.max(halfMs, LOOK_MS.least), LOOK_MS.most));
  }

  /** Tells of the first failure in a row. */
  #failed(credential: string, error: unknown): void {
    const failures = this.#failures.get(credential) ?? 0;
    this.#failures.set(credential, failures + 1);
    if (failures === 0) {
      const text = `${credential}: its file keeps the token that it has: ${messageOf(error)}`;
      process.stderr.write(`authd: ${plain(text)}\n`);
    }
    this.#lookIn(credential, Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.most));
  }

  #lookIn(credential: string, ms: number): void {
    clearTimeout(this.#timers.get(credential));
    this.#timers.set(
      credential,
      setTimeout(() => void this.#look(credential), ms),
    );
  }
}
