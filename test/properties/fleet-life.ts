/** Three hosts that share one credential, on a simulated clock, watched. */
import { AuthdError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { FileScope } from "../helpers/scope.ts";
import {
  assertLastEntered,
  commonToken,
  type Entered,
  goesOn,
  noteStored,
} from "./fleet-agreement.ts";
import { FleetHost, type Way } from "./fleet-host.ts";
import { FleetTime, LONGEST_WAIT_MS } from "./fleet-time.ts";
import { demand } from "./property.ts";
import { type Mode, RotatingIssuer } from "./rotating-issuer.ts";

const SECOND = 1_000;

type Change = "change" | "trust" | "enter" | "lock";

/** What can happen. `at` is the number of a host, `ms` a duration. */
export type Step =
  | { kind: "pass"; ms: number }
  | { kind: "release" }
  | { kind: "way"; at: number; way: Way }
  | { kind: "refresh"; at: number; mode: Mode }
  | { kind: Change | "unlock" | "restart" | "kill"; at: number };

export class FleetLife {
  readonly #scope = new FileScope();
  readonly #time = new FleetTime();
  readonly #issuer: RotatingIssuer;
  readonly #hosts: FleetHost[] = [];
  readonly #entered: Entered[] = [];
  /** What somebody waits for, and on which host. */
  readonly #awaited = new Map<Promise<void>, { at: number; what: string }>();
  #steps = 0;
  #problem: string | undefined;

  constructor(graceMs: number) {
    this.#issuer = new RotatingIssuer({ clock: this.#time.clock, graceMs });
    const dir = temporaryFolder(this.#scope);
    const file = {
      ...{ grant: "refresh_token", token_url: "https://issuer.example/token", client_id: "app" },
      ...(graceMs > 0 && { reuse_grace: graceMs / SECOND }),
    };
    const options = { time: this.#time, issuer: this.#issuer, dir, file };
    for (const name of ["one", "two", "three"]) {
      this.#hosts.push(new FleetHost(this.#scope, { ...options, name }));
    }
  }

  /** What happened, for people. */
  get story(): string {
    return this.#issuer.story.join("\n");
  }

  async start(): Promise<void> {
    const token = this.#issuer.signIn();
    for (const [name, value] of [
      ["refresh_token", token],
      ["client_secret", undefined],
    ] as const) {
      this.#entered.push({ name, value, beganAt: 0, doneAt: 0, at: 0, isStored: true });
    }
    for (const one of this.#hosts) await one.start(token);
    await this.#hosts[0]!.credential.token({});
    for (const { host } of this.#hosts) await host.sync.start();
    await this.#time.settle();
  }

  async take(step: Step): Promise<void> {
    this.#steps++;
    this.#issuer.story.push(`  ${this.#steps} ${JSON.stringify(step)}`);
    await this.#do(step);
    await this.#time.settle();
    this.#look();
  }

  /** All is connected, opened and answered: whatever happened before, the hosts agree, and go on. */
  async agree(): Promise<void> {
    this.#issuer.mode = "answers";
    this.#issuer.release();
    for (const one of this.#hosts) one.setWay("open");
    await this.#time.pass(LONGEST_WAIT_MS);
    for (const one of this.#hosts) await one.unlock();
    await this.#time.pass(LONGEST_WAIT_MS);
    this.#look();
    for (const { at, what } of this.#awaited.values()) demand(false, `${what} of ${at} hangs`);
    const token = commonToken(this.#hosts);
    demand(!this.#issuer.isAnswered(token), `the successor of ${token} was lost`);
    assertLastEntered(this.#hosts[0]!, this.#entered);
    for (const one of this.#hosts) {
      await goesOn(one, { time: this.#time, issuer: this.#issuer });
      this.#look();
      commonToken(this.#hosts);
    }
  }

  async end(): Promise<void> {
    for (const one of this.#hosts) await this.#stop(one);
    await this.#scope.end();
  }

  // ---- what is done ----

  async #do(step: Step): Promise<void> {
    if (step.kind === "pass") return await this.#time.pass(step.ms);
    if (step.kind === "release") return this.#issuer.release();
    const one = this.#hosts[step.at]!;
    if (step.kind === "way") one.setWay(step.way);
    else if (step.kind === "unlock") await one.unlock();
    else if (step.kind === "restart" || step.kind === "kill") await this.#startAnew(step);
    else {
      if (step.kind === "refresh") this.#issuer.mode = step.mode;
      this.#begin(step.at, step.kind);
    }
  }

  #begin(at: number, what: "refresh" | Change): void {
    const one = this.#hosts[at]!;
    const { credential } = one;
    const secret = `secret-${this.#steps}`;
    const changes = {
      change: () => this.#enter(at, "client_secret", secret),
      trust: () => credential.trust(),
      // A person has just signed in.
      enter: () => this.#enter(at, "refresh_token", this.#issuer.signIn()),
      lock: () => one.lock(),
    };
    const work = () => (what === "refresh" ? one.refresh() : one.inTurn(changes[what]));
    const done = work().then(
      () => void this.#issuer.story.push(`    ${what} of ${at}: done`),
      (error) => this.#noteError(`${what} of ${at}`, error),
    );
    this.#awaited.set(done, { at, what });
    void done.then(() => this.#awaited.delete(done));
  }

  async #enter(at: number, name: Entered["name"], value: string): Promise<void> {
    const { credential } = this.#hosts[at]!;
    const beganAt = this.#steps;
    await credential.update(credential.settings, { secrets: { [name]: value } });
    const doneAt = this.#steps;
    this.#entered.push({ name, value, beganAt, doneAt, at, isStored: false });
  }

  #noteError(what: string, error: unknown): void {
    this.#issuer.story.push(`    ${what}: ${error}`);
    if (error instanceof AuthdError && error.reason !== "internal") return;
    this.#problem ??= `${what}: ${(error as Error)?.stack ?? error}`;
  }

  async #startAnew({ kind, at }: { kind: string; at: number }): Promise<void> {
    const one = this.#hosts[at]!;
    for (const [promise, about] of this.#awaited)
      if (about.at === at) this.#awaited.delete(promise);
    if (kind === "kill") one.kill();
    await this.#stop(one);
    await one.start();
    void one.host.sync.start();
  }

  async #stop(one: FleetHost): Promise<void> {
    await this.#time.finish(one.stop(), `the end of ${one.name}`);
    await one.end();
  }

  // ---- what holds ----

  #look(): void {
    const { twice } = this.#issuer;
    demand(twice.length === 0, `${twice} was spent twice`);
    demand(this.#problem === undefined, this.#problem ?? "");
    noteStored(this.#hosts, this.#entered);
  }
}
