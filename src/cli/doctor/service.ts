import { inspectService } from "../../service/index.ts";
import { problemsOf } from "../../service/problems.ts";
import { type Check, ok, problem, warning } from "./finding.ts";

/** Does the service start what is there, and what will stay there? */
export const checkService: Check = async ({ env, host }) => {
  // It is the system's, or that user's.
  if (host !== undefined) return [];
  const report = await inspectService(env);
  const { manager, installed, active, node, main } = report;
  if (manager === undefined) return [ok("service", "authd knows no service manager here")];
  if (!installed) {
    return [ok("service", "not installed; authd service install runs authd at every login")];
  }
  const broken = node?.exists === false || main?.exists === false;
  const level = broken ? problem : warning;
  const problems = problemsOf(report).map((message) => level("service", message));
  if (active === false)
    problems.push(warning("service", "it is not running", "authd service install"));
  return problems.length > 0 ? problems : [ok("service", manager)];
};
