/**
 * Kills the real daemon with SIGKILL, over and over, while clients ask it for tokens that live 2 s
 * and an issuer rotates refresh tokens and revokes the whole session when a spent one comes again.
 *
 *     node dist/bench/torture.js [--kills=1000] [--seed=N] [--grace[=SECONDS]]
 *                                [--credentials=4] [--clients=16]
 *
 * A session may be lost only in the window that no client can close: the issuer has spent the
 * refresh token and its successor is not on disk yet. Those are counted apart, and a person signs in
 * again. With --grace the issuer repeats the answer for some seconds: then nothing may be lost.
 * Exit code 1, with an account, for anything else.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AuthdError, type Client, connect } from "../src/client.ts";
import { Askers } from "./helpers/askers.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { type Home, makeHome } from "./helpers/home.ts";
import { seeded } from "./helpers/random.ts";
import { RotatingIssuer } from "./helpers/rotating-issuer.ts";
import { type Finding, Subject } from "./helpers/subject.ts";
import { Victim } from "./helpers/victim.ts";

const LIFETIME = 2_000;
/** A kill comes within this (ms) after all is known to work: the next renewals are due by then. */
const RUN = 1_200;
/** One in so many kills comes while the daemon is starting. */
const START_SHARE = 4;
/** After so many failures there is no point in going on. */
const MOST_FAILURES = 5;

interface Options {
  kills: number;
  seed: number;
  /** Milliseconds. */
  grace: number;
  credentials: number;
  clients: number;
}

class Torture {
  readonly findings: Record<Finding, number> = {
    "nothing open": 0,
    "intent open, nothing spent": 0,
    window: 0,
  };
  kills = 0;
  killsAtStart = 0;
  halfWritten = 0;
  recovered = 0;
  signInsNeeded = 0;
  readonly failures: string[] = [];
  readonly #options: Options;
  readonly #home: Home;
  readonly #issuer: RotatingIssuer;
  readonly #subjects: Subject[];
  /** Those that the last kill met in the window, or that were still there. */
  readonly #inWindow = new Set<Subject>();
  readonly #random: () => number;
  readonly #client: Client;
  #victim: Victim;
  #startMs = 0;

  constructor(options: Options, home: Home, issuer: RotatingIssuer) {
    this.#options = options;
    this.#home = home;
    this.#issuer = issuer;
    this.#random = seeded(options.seed);
    this.#subjects = Array.from(
      { length: options.credentials },
      (_, i) => new Subject(`torture-${i}`, issuer, home.stateDir),
    );
    this.#client = connect({ socket: home.socket });
    this.#victim = new Victim(home);
  }

  async run(): Promise<Askers> {
    await this.#victim.ready;
    for (const subject of this.#subjects) await subject.add(this.#client);
    const askers = new Askers({
      socket: this.#home.socket,
      subjects: this.#subjects,
      clients: this.#options.clients,
      onProblem: (subject, error) => this.#fail(subject, "a client was told", error),
    });
    try {
      while (this.kills < this.#options.kills && this.failures.length < MOST_FAILURES) {
        await this.#round();
      }
    } finally {
      await askers.stop();
      this.#client.close();
      await this.#victim.kill();
    }
    return askers;
  }

  /** One kill of a daemon that works, or several in a row while it starts; then it must work again. */
  async #round(): Promise<void> {
    await sleep(this.#random() * RUN);
    await this.#kill();
    while (this.kills < this.#options.kills && this.#random() * START_SHARE < 1) {
      this.#victim = new Victim(this.#home);
      await sleep(this.#random() * this.#startMs);
      this.killsAtStart++;
      await this.#kill();
    }
    const startedAt = performance.now();
    this.#victim = new Victim(this.#home);
    await this.#victim.ready;
    this.#startMs = performance.now() - startedAt;
    await Promise.all(this.#subjects.map((subject) => this.#prove(subject)));
    if (process.stderr.isTTY) process.stderr.write(`\r${this.kills} kills `);
  }

  async #kill(): Promise<void> {
    if (this.#victim.died) throw new Error(`the daemon ended by itself: ${this.#victim.said}`);
    await this.#victim.kill();
    this.kills++;
    await this.#issuer.settled();
    const vault = readdirSync(join(this.#home.stateDir, "vault"));
    if (vault.some((file) => file.endsWith(".tmp"))) this.halfWritten++;
    for (const subject of this.#subjects) this.#examine(subject);
  }

  #examine(subject: Subject): void {
    try {
      const finding = subject.examine();
      if (finding === "window" && this.#inWindow.has(subject)) return;
      this.findings[finding]++;
      if (finding !== "window") return;
      this.#inWindow.add(subject);
      if (this.#options.grace > 0) return;
      subject.lost = true;
      subject.losses++;
    } catch (error) {
      this.#fail(subject, "the kill left this", error);
    }
  }

  /** It works again; or it was in the window, says so, and works after a new sign-in. */
  async #prove(subject: Subject): Promise<void> {
    try {
      if (subject.lost) {
        await subject
          .prove(this.#client)
          .then(
            () => Promise.reject(new Error("a spent token cannot have been renewed")),
            mustBeLoginRequired,
          );
        this.signInsNeeded++;
        await subject.enterAgain(this.#client);
      }
      await subject.prove(this.#client);
      if (this.#inWindow.delete(subject) && this.#options.grace > 0) this.recovered++;
    } catch (error) {
      this.#fail(subject, "it does not work after the restart", error);
      await subject.enterAgain(this.#client).catch(() => {});
    }
  }

  #fail(subject: Subject, what: string, error: unknown): void {
    const reason = error instanceof AuthdError ? `${error.reason}: ` : "";
    this.failures.push(
      [
        `FAILED after kill ${this.kills} (--seed=${this.#options.seed}), ${subject.name}: ${what}`,
        `  ${reason}${error instanceof Error ? error.message : error}`,
        subject.account(),
        `  the daemon said: ${this.#victim.said.trim() || "nothing"}`,
      ].join("\n"),
    );
  }
}

function mustBeLoginRequired(error: unknown): void {
  if (!(error instanceof AuthdError && error.reason === "login_required")) throw error;
}

function readOptions(): Options {
  const { values } = parseArgs({
    // --grace alone is 10 s.
    args: process.argv.slice(2).map((arg) => (arg === "--grace" ? "--grace=10" : arg)),
    options: {
      kills: { type: "string", default: "1000" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      grace: { type: "string", default: "0" },
      credentials: { type: "string", default: "4" },
      clients: { type: "string", default: "16" },
    },
  });
  return {
    kills: Number(values.kills),
    seed: Number(values.seed),
    grace: Number(values.grace) * 1_000,
    credentials: Number(values.credentials),
    clients: Number(values.clients),
  };
}

function report(
  bench: Bench,
  torture: Torture,
  { counts, excuses }: Askers,
  issuer: RotatingIssuer,
): void {
  const { kills, killsAtStart, halfWritten, findings, recovered, signInsNeeded } = torture;
  const count = (what: string, measured: number, detail: string) =>
    bench.row({ what, measured, unit: "", detail });
  const seen = (outcome: string) => issuer.seen.filter((each) => each.outcome === outcome).length;
  count("kills", kills, `${killsAtStart} while it was starting, ${halfWritten} amid a write`);
  count("tokens handed out", counts.tokens, `${counts["no daemon"]} calls found no daemon`);
  const [excuse] = [...excuses].sort((a, b) => b[1] - a[1]);
  count("calls told to try again", counts["not now"], excuse ? `mostly: ${excuse[0]}` : "");
  count("refresh tokens spent", seen("rotated"), `${seen("repeated")} answers repeated`);
  for (const [finding, times] of Object.entries(findings)) {
    if (finding !== "window") count(`killed with ${finding}`, times, "credentials");
  }
  count("killed in the window", findings.window, "spent at the issuer, successor not on disk");
  count("recovered by the issuer's grace", recovered, "");
  count("sessions lost in the window", signInsNeeded, "login_required, and a new sign-in worked");
  const lost = { measured: torture.failures.length, most: 0 };
  bench.row({ what: "failures", ...lost, unit: "", detail: "what must not happen" });
}

await run(async (bench) => {
  const options = readOptions();
  process.stderr.write(`--seed=${options.seed}\n`);
  const random = seeded(options.seed + 1);
  const issuer = await RotatingIssuer.start({
    lifetime: LIFETIME,
    grace: options.grace,
    delays: () => [random() * 10, random() * 20],
  });
  bench.defer(() => issuer.close());
  const home = makeHome(bench);
  home.env.AUTHD_LOG_LEVEL = "warn";
  const torture = new Torture(options, home, issuer);
  try {
    report(bench, torture, await torture.run(), issuer);
  } finally {
    for (const failure of torture.failures) process.stderr.write(`${failure}\n`);
  }
});
