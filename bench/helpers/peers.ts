/** Other agents of this machine, each with something to hand out, and the command that asks it once. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import type { Bench } from "./bench.ts";
import { ENV, runToEnd } from "./child.ts";

export interface Peer {
  /** Absolute: spawn-each searches no PATH. */
  command: readonly string[];
  env: NodeJS.ProcessEnv;
}

/** Programs of each peer, and the Debian package that has them. */
const PROGRAMS = {
  "oidc-token": { needs: ["oidc-agent", "oidc-gen", "oidc-token"], package: "oidc-agent-cli" },
  "ssh-add": { needs: ["ssh-agent", "ssh-add", "ssh-keygen"], package: "openssh-client" },
} as const;

export type PeerName = keyof typeof PROGRAMS;

export const PEER_NAMES = Object.keys(PROGRAMS) as PeerName[];

const STARTS = { "oidc-token": startOidcAgent, "ssh-add": startSshAgent } as const;

/** Starts a peer; returns the reason if it is not installed. */
export async function startPeer(bench: Bench, name: PeerName): Promise<Peer | string> {
  const { needs, package: source } = PROGRAMS[name];
  const isThere = needs.every((program) => pathOf(program) !== undefined);
  return isThere ? await STARTS[name](bench) : `${name} (${source})`;
}

/** An agent with one account, whose access token was fetched from an issuer of this process. */
async function startOidcAgent(bench: Bench): Promise<Peer> {
  const folder = join(bench.folder, "oidc");
  mkdirSync(folder, { mode: 0o700 });
  const env = { ...ENV, HOME: bench.folder, OIDC_CONFIG_DIR: folder, TMPDIR: folder };
  // It puts itself into the background, and tells its number.
  const told = await runToEnd("oidc-agent", [], env);
  const [, socket] = /OIDC_SOCK=([^;]+);/.exec(told) ?? [];
  const pid = Number(/OIDCD_PID=(\d+)/.exec(told)?.[1]);
  bench.defer(() => process.kill(pid));
  const asking = { ...env, OIDC_SOCK: socket };
  const issuer = await startIssuer(bench);
  const client = ["--manual", "--iss", issuer, "--client-id", "bench", "--client-secret", "bench"];
  const account = ["--rt", "bench", "--flow", "refresh", "--scope", "openid offline_access"];
  const silent = ["--redirect-uri", "http://localhost:8080", "--prompt", "none"];
  const answers = ["--confirm-default", "--pw-cmd", "echo bench"];
  await runToEnd("oidc-gen", ["bench", ...client, ...account, ...silent, ...answers], asking);
  return { command: [pathOf("oidc-token")!, "bench"], env: asking };
}

async function startIssuer(bench: Bench): Promise<string> {
  let url = "";
  const server = http.createServer((request, response) => {
    request.resume();
    const answer = request.url?.startsWith("/.well-known/")
      ? {
          ...{ issuer: url, token_endpoint: `${url}/token`, authorization_endpoint: `${url}/a` },
          ...{ scopes_supported: ["openid", "offline_access"], response_types_supported: ["code"] },
          grant_types_supported: ["refresh_token"],
        }
      : {
          ...{ access_token: "x".repeat(900), token_type: "Bearer", expires_in: 36_000 },
          ...{ refresh_token: "bench", scope: "openid offline_access" },
        };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  bench.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return url;
}

/** An agent with one key, which `ssh-add -l` lists. */
async function startSshAgent(bench: Bench): Promise<Peer> {
  const socket = join(bench.folder, "ssh-agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], {
    ...{ env: ENV, stdio: ["ignore", "pipe", "ignore"] },
  });
  bench.defer(() => end(agent));
  await firstMatch(agent, /SSH_AUTH_SOCK=([^;]+);/);
  const env = { ...ENV, HOME: bench.folder, SSH_AUTH_SOCK: socket };
  const key = join(bench.folder, "key");
  await runToEnd("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key], env);
  spawnSync("ssh-add", ["-q", key], { env, stdio: "ignore" });
  return { command: [pathOf("ssh-add")!, "-l"], env };
}

async function firstMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  let said = "";
  for await (const text of child.stdout!.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    said += text;
    const [, found] = pattern.exec(said) ?? [];
    if (found !== undefined) {
      child.stdout!.resume();
      return found;
    }
  }
  throw new Error(`an agent ended before it was ready: ${said}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

function pathOf(program: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}
