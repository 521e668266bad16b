import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { type Api, startApi } from "./api.ts";
import { run } from "./child.ts";
import type { Daemon } from "./daemon.ts";
import type { Scope } from "./scope.ts";

/** Serves the repositories of a folder to who sends an Authorization that `mayEnter` takes; others are told `challenge`. */
export function startGitServer(
  t: Scope,
  root: string,
  mayEnter: (path: string, authorization: string) => boolean,
  challenge = 'Basic realm="practice"',
): Promise<Api> {
  return startApi(t, async ({ method, url, headers, body }, response) => {
    const { pathname, search } = new URL(url, "http://localhost");
    if (!mayEnter(pathname, headers.authorization ?? "")) {
      response.writeHead(401, { "www-authenticate": challenge }).end();
      return;
    }
    const backend = spawn("git", ["http-backend"], {
      env: {
        ...{ PATH: process.env.PATH, GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: "1" },
        ...{ REQUEST_METHOD: method, PATH_INFO: pathname, QUERY_STRING: search.slice(1) },
        ...{ CONTENT_TYPE: headers["content-type"], CONTENT_LENGTH: String(body.length) },
        ...{ HTTP_CONTENT_ENCODING: headers["content-encoding"], REMOTE_USER: "practice" },
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    backend.stdin.on("error", () => {}).end(body);
    const parts: Buffer[] = [];
    for await (const part of backend.stdout) parts.push(part);
    const output = Buffer.concat(parts);
    const end = output.indexOf("\r\n\r\n");
    const lines = output.subarray(0, end).toString().split("\r\n");
    for (const line of lines) {
      const [name = "", value = ""] = line.split(/: (.*)/);
      if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(output.subarray(end + 4));
  });
}

type Git = ReturnType<typeof gitOf>;

/** git of the daemon's home, which never asks a person. */
export function gitOf(t: Scope, { env, folder }: Daemon, PATH = process.env.PATH) {
  return (args: readonly string[], cwd = folder) =>
    run(t, "git", args, {
      cwd,
      env: {
        ...{ ...env, PATH, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" },
        ...{ GIT_AUTHOR_NAME: "me", GIT_AUTHOR_EMAIL: "me@example.com" },
        ...{ GIT_COMMITTER_NAME: "me", GIT_COMMITTER_EMAIL: "me@example.com" },
      },
    });
}

export async function makeRepository(git: Git, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await git(["init", "-q", "--bare", "-b", "main", folder]);
  await git(["-C", folder, "config", "http.receivepack", "true"]);
}

/** Returns the name and password of a Basic Authorization. */
export function loginIn(authorization: string): string {
  return Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
}
