import type { CredentialInfo, Unsaved } from "../../protocol.ts";
import { AT_RISK } from "../credentials.ts";
import { duration } from "../times.ts";
import { type Check, type Finding, ok, problem } from "./finding.ts";

/** Does the disk take what the daemon has to keep? */
export const checkUnsaved: Check = ({ daemon, credentials, now }) => {
  const behind = credentials.flatMap(({ name, unsaved }) =>
    unsaved ? [finding(name, unsaved, now)] : [],
  );
  if (behind.length > 0 || !daemon) return behind;
  return [ok("disk", "all that the daemon holds is sealed")];
};

function finding(name: CredentialInfo["name"], unsaved: Unsaved, now: number): Finding {
  const { atRisk, since, message } = unsaved;
  const what = `for ${duration(now - since)}; ${AT_RISK[atRisk]}: ${message}`;
  return problem(name, `in memory only ${what}`, "mend the disk, and do not end authd before that");
}
