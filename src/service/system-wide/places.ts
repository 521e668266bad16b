/** Accounts and paths of the system-wide daemon, as in the files of systemd/ and launchd/. */

export interface Places {
  /** User of the daemon; its group has the same name. */
  user: string;
  configDir: string;
  stateDir: string;
  socket: string;
  /** Folders to make before the start; with `isDaemons` they belong to the daemon's user. */
  folders: readonly { path: string; mode: number; isDaemons: boolean }[];
}

/** Group whose members reach the socket. */
export const CLIENTS = "authd-clients";

export const LINUX: Places = {
  user: "authd",
  configDir: "/etc/authd",
  stateDir: "/var/lib/authd",
  socket: "/run/authd/authd.sock",
  // systemd-tmpfiles, the socket unit and StateDirectory= make the others.
  folders: [{ path: "/etc/authd", mode: 0o755, isDaemons: false }],
};

/** Places on macOS, where `/etc` and `/var` are links into `/private`, and `/var/run` is emptied at each start. */
export const MACOS: Places = {
  user: "_authd",
  configDir: "/private/etc/authd",
  stateDir: "/private/var/db/authd/state",
  socket: "/private/var/db/authd/run/authd.sock",
  folders: [
    { path: "/private/etc/authd", mode: 0o755, isDaemons: false },
    { path: "/private/etc/authd/credentials", mode: 0o750, isDaemons: true },
    { path: "/private/var/db/authd", mode: 0o755, isDaemons: false },
    { path: "/private/var/db/authd/state", mode: 0o700, isDaemons: true },
    { path: "/private/var/db/authd/run", mode: 0o750, isDaemons: true },
  ],
};

export function placesOn(platform: NodeJS.Platform): Places {
  return platform === "darwin" ? MACOS : LINUX;
}

/** Returns the first `config.toml`. No later installation changes it. */
export function firstConfig(platform: NodeJS.Platform): string {
  const socketGroup =
    platform === "darwin" ? `# Its members reach the socket.\nsocket_group = "${CLIENTS}"\n\n` : "";
  return `# Settings of the system-wide authd; after a change: sudo authd reload
${socketGroup}[access]
# May connect. What they may use is said by the rules of the credentials.
groups = ["${CLIENTS}"]
# A user may answer questions of programs of that same user: a consent, and no wall against those programs.
# Without this line only root may.
answer_own = true
`;
}
