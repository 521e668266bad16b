/** All helpers, by the tool that each answers, in the order in which `authd helper list` shows them. */
import type { HelperRow } from "./helper.ts";

export const helpers: Readonly<Record<string, HelperRow>> = {
  git: {
    summary: "git fetch, push and clone over https",
    target: "HOST[/PATH]",
    asksByHost: true,
    load: () => import("./git.ts"),
  },
};
