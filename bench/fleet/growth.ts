/** What 100 hosts and 10,000 credentials ask of the store, and how that grows. */
import { number } from "../helpers/amounts.ts";
import type { Row } from "../helpers/row.ts";
import type { Load, Simulated } from "./simulated.ts";

const MOST = { hosts: 100, credentials: 10_000 };

/** The most first; then fewer hosts, and fewer credentials. */
export const LOADS: readonly Load[] = [
  MOST,
  ...[10, 1].map((hosts) => ({ ...MOST, hosts })),
  ...[1_000, 100].map((credentials) => ({ ...MOST, credentials })),
];

/** What is asked without a refresh grows with the hosts alone. */
const MOST_GROWTH = 1.05;

export function growthRows(runs: readonly Simulated[]): Row[] {
  const polling = (run: Simulated) => run.counts.polls / run.seconds / run.hosts;
  const [most, fewest] = [runs[0]!, runs.at(-1)!];
  return [
    ...runs.map(rowOf),
    {
      what: `questions of a host without a refresh, ${most.credentials} credentials against ${fewest.credentials}`,
      measured: polling(most) / polling(fewest),
      most: MOST_GROWTH,
      detail: `${number(polling(most))} a second, of each host`,
    },
  ];
}

function rowOf({ hosts, credentials, seconds, refreshes, counts, bytes }: Simulated): Row {
  const { polls, reads, changes } = counts;
  const each = refreshes === 0 ? 0 : (reads + changes) / refreshes;
  return {
    what: `questions to the store, ${hosts} hosts, ${credentials} credentials`,
    measured: (polls + reads + changes) / seconds,
    unit: "/s",
    detail: `${number(bytes / seconds / 1_024)} KiB/s; ${number(polls / seconds)}/s are asked in any case, and ${number(each)} for each of ${number(refreshes / seconds)} refreshes/s`,
  };
}
