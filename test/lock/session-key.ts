/** Which guesses of a passphrase have an origin in common. */
import test from "ava";
import { lineageOf } from "../../src/lock/session-key.ts";
import { processInfo } from "../helpers/question.ts";

const manager = processInfo({ pid: 50, executable: "/usr/lib/systemd/systemd" });
const tool = processInfo({ pid: 300, startedAt: 7 });
const idsOf = (...chain: Parameters<typeof lineageOf>[0]) => lineageOf(chain).map(({ id }) => id);

test("processes without a terminal have one ancestor, whether a launcher adopts them or nobody", (t) => {
  t.deepEqual(idsOf(tool, manager), ["orphans", "300/7"]);
  t.deepEqual(idsOf(tool), ["orphans", "300/7"]);
});

test("a terminal has a lineage of its own", (t) => {
  t.deepEqual(idsOf({ ...tool, terminal: "pts/1" }, manager), ["300/7"]);
  t.deepEqual(idsOf({ ...tool, terminal: "pts/1" }), ["300/7"]);
});

test("nothing is known of a process that has ended", (t) => t.deepEqual(idsOf(), []));
