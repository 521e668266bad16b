/** The four practice APIs, for `authd sandbox` and for tests of other projects. */
import { startLabelf } from "./labelf.ts";
import { startOneStepAi } from "./onestepai.ts";
import type { PracticeApi, PracticeOptions } from "./practice-api.ts";
import { startRealtyna } from "./realtyna.ts";
import { startZebbra } from "./zebbra.ts";

const starters = {
  labelf: startLabelf,
  onestepai: startOneStepAi,
  zebbra: startZebbra,
  realtyna: startRealtyna,
} satisfies Record<string, (options?: PracticeOptions) => Promise<PracticeApi>>;

export type PracticeName = keyof typeof starters;
export type PracticeApis = Record<PracticeName, PracticeApi>;

/** Starts all four. `lifetimes` are seconds; without one an API has its real lifetime. */
export async function startPracticeApis(
  options: { lifetimes?: Partial<Record<PracticeName, number>>; now?: () => number } = {},
): Promise<PracticeApis> {
  const { lifetimes = {}, now = Date.now } = options;
  const start = (name: PracticeName) => {
    const tokenLifetime = lifetimes[name];
    return starters[name]({ now, ...(tokenLifetime !== undefined && { tokenLifetime }) });
  };
  return {
    labelf: await start("labelf"),
    onestepai: await start("onestepai"),
    zebbra: await start("zebbra"),
    realtyna: await start("realtyna"),
  };
}
