import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { AuthdError } from "../errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Returns the absolute path of the folder of `config.toml` and `credentials/`, which need not exist. */
export function configDir(env: Env, platform: NodeJS.Platform = process.platform): string {
  if (env.AUTHD_CONFIG_DIR) return resolve(env.AUTHD_CONFIG_DIR);
  return folder(env, platform, {
    xdg: env.XDG_CONFIG_HOME,
    windows: env.APPDATA ?? join(home(env), "AppData", "Roaming"),
    otherwise: ".config",
  });
}

/** Returns the absolute path of the folder of `vault/` and `audit.log`, which need not exist. */
export function stateDir(env: Env, platform: NodeJS.Platform = process.platform): string {
  if (env.AUTHD_STATE_DIR) return resolve(env.AUTHD_STATE_DIR);
  return folder(env, platform, {
    xdg: env.XDG_STATE_HOME,
    windows: env.LOCALAPPDATA ?? join(home(env), "AppData", "Local"),
    otherwise: ".local/state",
  });
}

function folder(
  env: Env,
  platform: NodeJS.Platform,
  base: { xdg: string | undefined; windows: string; otherwise: string },
): string {
  if (platform === "win32") return join(base.windows, "authd");
  // The XDG Base Directory Specification: a relative path is to be ignored.
  if (base.xdg && isAbsolute(base.xdg)) return join(base.xdg, "authd");
  if (platform === "darwin") return join(home(env), "Library", "Application Support", "authd");
  return join(home(env), base.otherwise, "authd");
}

/** Returns the user's home folder. Throws AuthdError `invalid_params` for a user that has none. */
export function home(env: Env): string {
  if (env.HOME) return env.HOME;
  try {
    return homedir();
  } catch (cause) {
    throw new AuthdError(
      "invalid_params",
      `There is no home folder: HOME is not set, and no account has the user id ${process.getuid?.()}. Set HOME, or AUTHD_CONFIG_DIR, AUTHD_STATE_DIR and AUTHD_SOCKET.`,
      { cause },
    );
  }
}
