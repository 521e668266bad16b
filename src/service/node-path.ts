import { existsSync } from "node:fs";
import { runTool } from "./tool.ts";

/** Folders of version managers: a Node in them is removed by an upgrade or a cleanup. */
const VERSION_MANAGERS: readonly { name: string; folder: RegExp }[] = [
  { name: "nvm", folder: /\/\.?nvm\/versions\// },
  { name: "fnm", folder: /\/fnm_multishells\/|\/\.?fnm\/node-versions\// },
  { name: "volta", folder: /\/\.?volta\/tools\// },
  { name: "asdf", folder: /\/\.?asdf\/(installs|shims)\// },
  { name: "mise", folder: /\/(mise|rtx)\/(installs|shims)\// },
  { name: "nodenv", folder: /\/\.?nodenv\/(versions|shims)\// },
  { name: "n", folder: /\/n\/versions\/node\// },
  { name: "nvs", folder: /\/\.?nvs\/node\// },
  { name: "nodebrew", folder: /\/\.nodebrew\// },
  { name: "pnpm", folder: /\/pnpm\/nodejs\// },
  { name: "npx", folder: /\/_npx\// },
  { name: "Homebrew", folder: /\/Cellar\/node/ },
  { name: "Nix", folder: /^\/nix\/store\// },
];

/** Folders with a Node that is upgraded in place. */
const STABLE = ["/usr/bin/node", "/usr/local/bin/node", "/opt/homebrew/bin/node"];
/** Oldest version, as in `engines` of package.json. */
const OLDEST = [20, 19] as const;

/** Returns the version manager that may remove this file, by its folder. */
export function versionManagerOf(path: string): string | undefined {
  return VERSION_MANAGERS.find(({ folder }) => folder.test(path))?.name;
}

/**
 * Returns the Node that a service should start: the running one, or, if that is a version manager's, one
 * that is upgraded in place and new enough.
 */
export async function serviceNode(
  execPath: string,
  stable: readonly string[] = STABLE,
): Promise<string> {
  if (!versionManagerOf(execPath)) return execPath;
  for (const path of stable) if (existsSync(path) && (await isRecent(path))) return path;
  return execPath;
}

async function isRecent(node: string): Promise<boolean> {
  const { stdout } = await runTool({}, [node, "--version"]);
  const [major = 0, minor = 0] = stdout.replace(/^v/, "").split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
