import { type Check, ok, problem } from "./finding.ts";

/** Can it be written down who uses what? */
export const checkAudit: Check = ({ daemon }) => {
  if (!daemon) return [];
  const found = (daemon.problems ?? []).filter(({ reason }) => reason === "audit");
  if (found.length === 0) return [ok("audit log", "nothing stands in its way")];
  return found.map(({ message, help }) => problem("audit log", message, help));
};
