/** A shared store: whatever happens to hosts, to their way to the store and to the issuer. */
import fc from "fast-check";
import { WAYS } from "./fleet-host.ts";
import { FleetLife, type Step } from "./fleet-life.ts";
import type { Checkable, Property } from "./property.ts";
import { MODES } from "./rotating-issuer.ts";

/** Not on Windows, where a folder is no store. */
export const fleet: readonly Property[] =
  process.platform === "win32" ? [] : [{ name: "fleet-life", runs: 15, start: () => oneRecord }];

const SECOND = 1_000;
/** Of little; of a lease; of a back-off; of an intent. */
const DURATIONS = [2, 16, 61, 301].map((seconds) => seconds * SECOND);
const OTHERS = ["trust", "enter"] as const;
const at = fc.nat({ max: 2 });

/** How often something happens, of all that does. */
const often = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const only = <const Kind>(kind: Kind) => fc.constant(kind);

const step: fc.Arbitrary<Step> = fc.oneof(
  often(8, fc.record({ kind: only("refresh"), at, mode: fc.constantFrom(...MODES, "answers") })),
  often(4, fc.record({ kind: only("change"), at })),
  often(2, fc.record({ kind: fc.constantFrom(...OTHERS), at })),
  often(6, fc.record({ kind: only("pass"), ms: fc.constantFrom(...DURATIONS) })),
  often(2, fc.record({ kind: only("release") })),
  often(4, fc.record({ kind: only("way"), at, way: fc.constantFrom(...WAYS, "open", "open") })),
  often(2, fc.record({ kind: fc.constantFrom("lock", "unlock"), at })),
  often(1, fc.record({ kind: fc.constantFrom("restart", "kill"), at })),
);

const oneRecord: Checkable = fc.asyncProperty(
  fc.noBias(fc.array(step, { maxLength: 60, size: "max" })),
  fc.constantFrom(0, 0, 0, 600 * SECOND),
  async (steps, graceMs) => {
    const life = new FleetLife(graceMs);
    try {
      await life.start();
      for (const one of steps) await life.take(one);
      await life.agree();
    } catch (error) {
      await life.end().catch(() => {});
      throw new Error(`${(error as Error).stack}\n${life.story}`);
    }
    await life.end();
  },
);
