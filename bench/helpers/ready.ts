/** For programs that a bench starts: says that this one is ready, and ends it with the bench. */
export function ready(told = "ready"): void {
  process.once("disconnect", () => process.exit());
  process.send?.(told);
}
