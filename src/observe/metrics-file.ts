import { rm } from "node:fs/promises";
import { replaceFile } from "../base/atomic-write.ts";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { messageOf } from "../errors.ts";
import type { Outlet } from "../protocol.ts";

/** Changes are written after this, and so far apart at least; without one, after `IDLE_INTERVAL_MS` (all ms). */
const WRITE_DELAY_MS = 100;
const MIN_INTERVAL_MS = 15_000;
const IDLE_INTERVAL_MS = 60_000;

export interface MetricsFileOptions {
  path: string;
  text: () => Promise<string>;
  log: Log;
  apartMs?: number;
}

/**
 * The file that node_exporter's textfile collector reads: replaced as a whole, readable for all (it
 * has names in it, no secrets), removed at an orderly end, so that nothing stale is scraped.
 */
export class MetricsFile {
  readonly #options: MetricsFileOptions;
  readonly #idle: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #error: string | undefined;
  #closed = false;

  constructor(options: MetricsFileOptions) {
    this.#options = options;
    this.#idle = setInterval(() => this.changed(), IDLE_INTERVAL_MS).unref();
    this.changed();
  }

  get report(): Outlet {
    return { to: this.#options.path, ...omitUndefined({ error: this.#error }) };
  }

  /** Cheap: it is called with every request. */
  changed(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const { apartMs = MIN_INTERVAL_MS } = this.#options;
    const wait = Math.max(WRITE_DELAY_MS, this.#writtenAt + apartMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#writing = this.#write().finally(() => {
        this.#timer = undefined;
        if (this.#error !== undefined) this.changed();
      });
    }, wait).unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#idle);
    clearTimeout(this.#timer);
    await this.#writing;
    if (this.#error === undefined) await rm(this.#options.path, { force: true }).catch(() => {});
  }

  async #write(): Promise<void> {
    const { path, text, log } = this.#options;
    this.#writtenAt = performance.now();
    try {
      // Not synced: nobody needs it after a power cut.
      await replaceFile(path, await text(), { sync: "none", mode: 0o644 });
      this.#error = undefined;
    } catch (error) {
      const message = messageOf(error);
      if (message !== this.#error) log.error({}, `metrics_file can't be written: ${message}`);
      this.#error = message;
    }
  }
}
