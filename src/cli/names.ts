/** Names of links to the command, and the words that each stands for. `native/src/names.rs` has the same table. */
export const NAMES: Readonly<Record<string, readonly string[]>> = {
  "git-credential-authd": ["helper", "git"],
  "docker-credential-authd": ["helper", "docker"],
  "authd-kubectl": ["helper", "kubectl"],
  "authd-aws": ["helper", "aws"],
};

/** Returns the command's words: those that its name stands for, then its arguments. */
export function wordsOf(name: string, args: readonly string[]): string[] {
  return [...(Object.hasOwn(NAMES, name) ? NAMES[name]! : []), ...args];
}
