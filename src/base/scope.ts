/** A scope is a set (RFC 6749 section 3.3): order and repetition do not matter. */
export function normalizeScope(scope: string): string {
  return [...new Set(scope.split(" ").filter((part) => part !== ""))].sort().join(" ");
}
