import test from "ava";
import { clampToFdLimit, descriptorLimit, descriptorsFor } from "../../src/daemon/fd-limit.ts";
import { onUnix } from "../helpers/optional.ts";

onUnix("the system tells how many descriptors this process may have", (t) => {
  t.true((descriptorLimit() ?? 0) >= 64);
});

test("clients get no more than half of what there is", (t) => {
  const wanted = { connections: 256, answers: 4096 };
  t.deepEqual(clampToFdLimit(wanted, undefined), wanted);
  t.deepEqual(clampToFdLimit(wanted, 20_000), wanted);
  t.deepEqual(clampToFdLimit(wanted, 1024), { connections: 256, answers: 480 });
  t.deepEqual(clampToFdLimit(wanted, 264), { connections: 100, answers: 100 });
  t.deepEqual(clampToFdLimit(wanted, 10), { connections: 1, answers: 1 });
  t.is(clampToFdLimit(wanted, descriptorsFor(256)).connections, 256);
});
