import { libc } from "../base/libc.ts";

/**
 * Tells the service manager how the daemon is: the sd_notify(3) protocol. Without a service manager
 * every call does nothing. Each returns whether the message was handed over; none throws.
 */
export interface Notifier {
  /** Start-up or a reload is finished. */
  ready(): boolean;
  reloading(): boolean;
  stopping(): boolean;
  /** Extends the service manager's time limit: the next such message comes within `ms`. */
  extend(ms: number): boolean;
  /** Sets the line that `systemctl status` shows. */
  status(text: string): boolean;
  /** Milliseconds between two calls of `ping` that keep the watchdog quiet; undefined: no watchdog. */
  readonly watchdogMs?: number;
  ping(): boolean;
}

/**
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from `env`, so that
 * no child process speaks for the daemon.
 */
export function createNotifier(env: NodeJS.ProcessEnv = process.env): Notifier {
  const address = env.NOTIFY_SOCKET;
  const watchdogMs = watchdogOf(env);
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  const send = address && /^[/@]./.test(address) ? sender(address) : () => false;
  return {
    ready: () => send("READY=1"),
    reloading: () => send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => send("STOPPING=1"),
    extend: (ms) => send(`EXTEND_TIMEOUT_USEC=${ms * 1_000}`),
    status: (text) => send(`STATUS=${text.replace(/\s+/g, " ").trim()}`),
    ...(watchdogMs === undefined ? {} : { watchdogMs }),
    ping: () => send("WATCHDOG=1"),
  };
}

/** Half of the time after which systemd gives up on us, as sd_watchdog_enabled(3) recommends. */
function watchdogOf(env: NodeJS.ProcessEnv): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC);
  const forUs = !env.WATCHDOG_PID || Number(env.WATCHDOG_PID) === process.pid;
  return forUs && microseconds > 0 ? Math.max(1, Math.floor(microseconds / 2000)) : undefined;
}

/**
 * Node has no Unix datagrams, and a helper program would be another process, which NotifyAccess=main
 * ignores. A socket a message: there are few, and none can then be left open or broken.
 */
function sender(path: string): (message: string) => boolean {
  const AF_UNIX = 1;
  const SOCK_DGRAM_CLOEXEC_NONBLOCK = 0o2 | 0o2000000 | 0o4000;
  const MSG_NOSIGNAL = 0x4000;
  const address = socketAddress(AF_UNIX, path);
  return (message) => {
    if (process.platform !== "linux") return false;
    try {
      const socket = libc("int socket(int, int, int)")!;
      const sendto = libc("long sendto(int, const void *, size_t, int, const void *, uint32_t)")!;
      const close = libc("int close(int)")!;
      const bytes = Buffer.from(message);
      const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0);
      if (fd < 0) return false;
      const sent = sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length);
      close(fd);
      return sent === bytes.length;
    } catch {
      return false;
    }
  };
}

/** `struct sockaddr_un` of unix(7): an abstract name starts with NUL, which is written as `@`. */
function socketAddress(family: number, path: string): Buffer {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  return Buffer.concat([new Uint8Array(new Uint16Array([family]).buffer), Buffer.from(name)]);
}
