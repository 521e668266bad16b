import { type Daemon, type DaemonOptions, type Said, startDaemon } from "./daemon.ts";
import { startIssuer } from "./issuer.ts";
import type { Scope } from "./scope.ts";

/** A daemon whose tokens tools ask for. */
export interface ToolDaemon extends Daemon {
  /** Adds a credential with this very token, which never expires. */
  addStatic(name: string, token: string, ...settings: string[]): Promise<void>;
  /** Adds a credential whose tokens (`practice-1`, …) expire after an hour. */
  addExpiring(name: string, ...settings: string[]): Promise<void>;
  /** `authd helper WORDS…`, as a tool calls it. */
  helper(words: readonly string[], input?: string): Promise<Said>;
}

export async function startToolDaemon(t: Scope, options: DaemonOptions = {}): Promise<ToolDaemon> {
  const daemon = await startDaemon(t, options);
  const add = async (name: string, grant: string, settings: string[], secrets: object) => {
    const pairs = settings.flatMap((pair) => ["--set", pair]);
    const args = ["add", name, "--grant", grant, ...pairs, "--secrets-from", "-"];
    const { code, stderr } = await daemon.cli(args, { input: JSON.stringify(secrets) });
    if (code !== 0) throw new Error(stderr);
  };
  let count = 0;
  return {
    ...daemon,
    addStatic: (name, token, ...settings) => add(name, "static", settings, { token }),
    addExpiring: async (name, ...settings) => {
      const { url } = await startIssuer(t, () => {
        count++;
        const token = {
          access_token: `practice-${count}`,
          token_type: "Bearer",
          expires_in: 3_600,
        };
        return { json: token };
      });
      const all = [`token_url=${url}`, "client_id=me", ...settings];
      await add(name, "client_credentials", all, { client_secret: "practice" });
    },
    helper: (words, input = "") => daemon.cli(["helper", ...words], { input }),
  };
}
