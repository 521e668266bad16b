/** Names of links to the command, and the words that each stands for. `native/src/names.rs` has the same. */
export const NAMES: Readonly<Record<string, readonly string[]>> = {
  "git-credential-authd": ["helper", "git"],
  "docker-credential-authd": ["helper", "docker"],
  "authd-kubectl": ["helper", "kubectl"],
  "authd-aws": ["helper", "aws"],
};

/** Names by which tools call a helper. Nobody but a person makes links of these names. */
export const TOOL_NAMES: Readonly<Record<string, readonly string[]>> = {
  "cargo-credential-authd": ["helper", "cargo"],
  "terraform-credentials-authd": ["helper", "terraform"],
  "bazel-credential-helper": ["helper", "bazel"],
  keyring: ["helper", "pip"],
};

const ALL = { ...NAMES, ...TOOL_NAMES };

/** Returns the command's words: those that its name stands for, then its arguments. */
export function wordsOf(name: string, args: readonly string[]): string[] {
  return [...(Object.hasOwn(ALL, name) ? ALL[name]! : []), ...args];
}
