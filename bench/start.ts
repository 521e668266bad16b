/**
 * How long it takes until `authd serve` is ready and `authd get` is done, beyond what Node itself
 * takes to start and end. The fastest of many rounds counts: what else the machine does can only
 * make a start longer.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { number } from "./helpers/amounts.ts";
import { run } from "./helpers/bench.ts";
import { MAIN, startDaemon, timeToEnd } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { compare } from "./helpers/rounds.ts";

const TARGETS_MS = { serve: 300, get: 20 };
const names = ["one", "two", "three", "four"];

await run(async (bench) => {
  const preset = `preset = "labelf"\nclient_id = "bench"\n`;
  const home = makeHome(bench);
  await fillHome(home, new Map(names.map((name) => [name, preset])));
  const other = makeHome(bench, "other");
  await fillHome(other, new Map(names.map((name) => [name, preset])));
  await startDaemon(bench, other);
  const empty = join(bench.folder, "empty.mjs");
  writeFileSync(empty, "");

  const { node, serve, get, esm } = await compare(bench.quick ? 1 : 21, {
    node: () => timeToEnd(["-e", "0"]),
    serve: async () => {
      const daemon = await startDaemon(bench, home);
      await daemon.stop();
      return daemon.readyMs;
    },
    get: () => timeToEnd([MAIN, "get", "one"], other.env),
    esm: () => timeToEnd([empty]),
  });
  bench.row({
    what: "authd serve, ready",
    measured: serve.least - node.least,
    unit: "ms",
    most: TARGETS_MS.serve,
    detail: `${number(serve.least)} ms; beyond node -e 0, ${number(node.least)} ms`,
  });
  bench.row({
    what: "authd get",
    measured: get.least - node.least,
    unit: "ms",
    most: TARGETS_MS.get,
    detail:
      `${number(get.least)} ms; beyond node -e 0, ${number(node.least)} ms; ` +
      `an empty ES module takes ${number(esm.least)} ms`,
  });
});
