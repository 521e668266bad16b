/** Opens an address in the person's browser, without a shell. */
import { cleanEnvironment } from "./child.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A program that ends sooner with an error has opened nothing; one that goes on may be the browser itself. */
const SETTLED_MS = 1_500;

/** Variables that choose the browser on desktops of freedesktop.org. */
const BROWSER_VARIABLES = [
  ...["BROWSER", "DESKTOP_SESSION", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS"],
  // Programs of Windows are started through these.
  ...["WSL_DISTRO_NAME", "WSL_INTEROP"],
];

/** True if a person is at this machine's screen, as far as the environment tells. */
export function hasScreen(env: Env, platform: NodeJS.Platform = process.platform): boolean {
  // Over SSH the screen, if there is one, is somebody else's.
  if (env.SSH_CONNECTION || env.SSH_TTY) return false;
  if (platform === "darwin" || platform === "win32") return true;
  return Boolean(env.DISPLAY || env.WAYLAND_DISPLAY || env.WSL_DISTRO_NAME);
}

/** Returns the programs that may open an address, with their arguments: each is tried if those before it fail. */
export function browserCommands(
  url: string,
  env: Env,
  platform: NodeJS.Platform,
): [string, ...string[]][] {
  if (platform === "darwin") return [["open", url]];
  if (platform === "win32") return [["rundll32", "url.dll,FileProtocolHandler", url]];
  const ofWindows: [string, string][] = env.WSL_DISTRO_NAME ? [["wslview", url]] : [];
  return [...ofWindows, ["xdg-open", url]];
}

/** Opens a web address; false if that can't be done here. Never rejects. */
export async function openBrowser(url: string, env: Env): Promise<boolean> {
  if (!/^https?:\/\//.test(url)) return false;
  for (const command of browserCommands(url, env, process.platform)) {
    if (await opens(command, env)) return true;
  }
  return false;
}

async function opens([program, ...args]: [string, ...string[]], env: Env): Promise<boolean> {
  const { spawn } = await import("node:child_process");
  const chosen = BROWSER_VARIABLES.flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  const opened = new Promise<boolean>((resolve) => {
    // In a group of its own: Ctrl-C in the terminal is not meant for the browser.
    const child = spawn(program, args, {
      env: { ...cleanEnvironment(env), ...Object.fromEntries(chosen) },
      stdio: "ignore",
      detached: true,
      windowsHide: true,
    });
    const timer = setTimeout(() => resolve(true), SETTLED_MS);
    const settle = (isOpen: boolean) => {
      clearTimeout(timer);
      resolve(isOpen);
    };
    child.once("error", () => settle(false));
    child.once("exit", (code) => settle(code === 0));
    child.unref();
  });
  // A system without a process to spare.
  return await opened.catch(() => false);
}
