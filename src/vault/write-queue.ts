/** Limits the writes under way: 10,000 together would use up the process's open files. */
const MAX_AT_ONCE = 8;

interface Entry<Job> {
  job: Job;
  started: boolean;
  done: Promise<void>;
  settle: { resolve: () => void; reject: (error: unknown) => void };
}

/**
 * Runs the jobs of one name one after another in the order of the calls, those of different names
 * side by side. A job that still waits is merged with the next one if `merge` can: both callers
 * then get the outcome of the merged job.
 */
export class WriteQueue<Job> {
  readonly #run: (name: string, job: Job) => Promise<void>;
  readonly #merge: (waiting: Job, next: Job) => Job | undefined;
  /** Jobs by name. The first of a name is running, or its name is in #ready. */
  readonly #jobs = new Map<string, Entry<Job>[]>();
  readonly #ready: string[] = [];
  #running = 0;
  #held: (() => void) | undefined;

  constructor(
    run: (name: string, job: Job) => Promise<void>,
    merge: (waiting: Job, next: Job) => Job | undefined,
  ) {
    this.#run = run;
    this.#merge = merge;
  }

  push(name: string, job: Job): Promise<void> {
    const jobs = this.#jobs.get(name);
    const last = jobs?.at(-1);
    const merged = last && !last.started ? this.#merge(last.job, job) : undefined;
    if (last && merged !== undefined) {
      last.job = merged;
      return last.done;
    }
    const entry = newEntry(job);
    if (jobs) jobs.push(entry);
    else {
      this.#jobs.set(name, [entry]);
      this.#ready.push(name);
      this.#startReady();
    }
    return entry.done;
  }

  /** True while a job runs or waits. */
  get busy(): boolean {
    return this.#jobs.size > 0;
  }

  /** Resolves when nothing runs or waits. Never rejects. */
  async drain(): Promise<void> {
    while (this.busy) {
      const pending = [...this.#jobs.values()].flat();
      await Promise.allSettled(pending.map((entry) => entry.done));
    }
  }

  /** Starts no further job until `release`. Resolves when none is running. */
  async hold(): Promise<void> {
    await new Promise<void>((idle) => {
      this.#held = idle;
      if (this.#running === 0) idle();
    });
  }

  release(): void {
    this.#held = undefined;
    this.#startReady();
  }

  #startReady(): void {
    if (this.#held) return void (this.#running === 0 && this.#held());
    while (this.#running < MAX_AT_ONCE) {
      const name = this.#ready.shift();
      if (name === undefined) return;
      this.#running++;
      void this.#runFirst(name);
    }
  }

  async #runFirst(name: string): Promise<void> {
    const jobs = this.#jobs.get(name)!;
    const entry = jobs[0]!;
    entry.started = true;
    try {
      await this.#run(name, entry.job);
      entry.settle.resolve();
    } catch (error) {
      entry.settle.reject(error);
    }
    jobs.shift();
    if (jobs.length > 0) this.#ready.push(name);
    else this.#jobs.delete(name);
    this.#running--;
    this.#startReady();
  }
}

function newEntry<Job>(job: Job): Entry<Job> {
  const entry = { job, started: false } as Entry<Job>;
  entry.done = new Promise((resolve, reject) => {
    entry.settle = { resolve, reject };
  });
  return entry;
}
