import type { ServiceReport } from "./index.ts";

/** Returns one line for each problem of an installed service, with its remedy. */
export function problemsOf({ files, current, node, main }: ServiceReport): string[] {
  const again = 'run "authd service install" again';
  const missing = [node, main].find((program) => program?.exists === false);
  if (missing) return [`The service can't start: ${missing.path} is gone; ${again}.`];
  const problems = files
    .filter(({ ownership }) => ownership !== "ours")
    .map(({ path, ownership }) => `${path} ${WHY[ownership]}.`);
  if (problems.length === 0 && !current)
    problems.push(`The service is not as this authd would install it; ${again}.`);
  if (node?.versionManager) problems.push(perishable(node.path, node.versionManager));
  return problems;
}

/** Descriptions that follow a file's path. */
export const WHY = {
  absent: "is missing",
  ours: "was written by authd",
  edited: "was changed after authd wrote it",
  foreign: "was not written by authd",
} as const;

/** Explains why a service should not use a version manager's Node. */
export function perishable(node: string, manager: string): string {
  return (
    `${node} belongs to ${manager}, which may remove it; the service would then no longer start. ` +
    'Install Node for the whole system, or run "authd service install" after each upgrade.'
  );
}
