/** Sorts a scope and drops repetitions: it is a set (RFC 6749 section 3.3). */
export function normalizeScope(scope: string): string {
  return [...new Set(scope.split(" ").filter((part) => part !== ""))].sort().join(" ");
}

/** True for one or more words as a scope has them (RFC 6749 section 3.3); `acr_values` are written alike. */
export function isScope(text: string): boolean {
  const words = text.split(" ").filter((word) => word !== "");
  return words.length > 0 && words.every((word) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(word));
}
