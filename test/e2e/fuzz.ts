import test from "ava";
import { properties } from "../properties/index.ts";
import { refute } from "../properties/property.ts";

// Always the same inputs; other ones, for as long as one likes, are bench/fuzz.ts.
const SEED = 20_300_101;

for (const property of properties) {
  test.serial(`fuzz: ${property.name}`, async (t) => {
    t.log(`${property.runs} runs, seed ${SEED}`);
    const checkable = await property.start(t);
    t.is(await refute(checkable, { seed: SEED, runs: property.runs }), undefined);
  });
}
