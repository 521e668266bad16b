import test from "ava";
import { affordable, descriptorLimit, descriptorsFor } from "../src/descriptors.ts";
import { onUnix } from "./helpers/optional.ts";

onUnix("the system tells how many descriptors this process may have", (t) => {
  t.true((descriptorLimit() ?? 0) >= 64);
});

test("clients get no more than half of what there is", (t) => {
  const wanted = { connections: 256, answers: 4096 };
  t.deepEqual(affordable(wanted, undefined), wanted);
  t.deepEqual(affordable(wanted, 20_000), wanted);
  t.deepEqual(affordable(wanted, 1024), { connections: 256, answers: 480 });
  t.deepEqual(affordable(wanted, 264), { connections: 100, answers: 100 });
  t.deepEqual(affordable(wanted, 10), { connections: 1, answers: 1 });
  t.is(affordable(wanted, descriptorsFor(256)).connections, 256);
});
