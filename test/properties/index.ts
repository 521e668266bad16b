import { fleet } from "./fleet.ts";
import { framing } from "./framing.ts";
import { input } from "./input.ts";
import { issuers } from "./issuers.ts";
import type { Property } from "./property.ts";
import { timing } from "./timing.ts";
import { toml } from "./toml.ts";
import { urls } from "./urls.ts";

/** Everything that is fuzzed: a few seconds of it by test/e2e/fuzz.ts, minutes by bench/fuzz.ts. */
export const properties: readonly Property[] = [
  ...framing,
  ...timing,
  ...issuers,
  ...toml,
  ...input,
  ...urls,
  ...fleet,
];
