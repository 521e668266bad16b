/** Sorts a scope and drops repetitions: it is a set (RFC 6749 section 3.3). */
export function normalizeScope(scope: string): string {
  return [...new Set(scope.split(" ").filter((part) => part !== ""))].sort().join(" ");
}
