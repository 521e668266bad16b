/** A user of a kubeconfig that runs authd, and the context that it is for; kubectl itself reads and writes the file. */
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { AuthdError, errorCode } from "../../errors.ts";
import type { ChangeBase, ChangeState, Kind } from "./change.ts";

export interface KubeconfigChange extends ChangeBase {
  kind: "kubeconfig";
  context: string;
  user: string;
  /** The words that print an ExecCredential. */
  command: readonly string[];
  /** The user of the context before, once it was replaced; empty: none. */
  was?: string;
}

/** What `kubectl config view -o json` prints, as far as it counts here. */
interface View {
  contexts?: readonly { name: string; context?: { user?: string } }[] | null;
  users?: readonly { name: string; user?: { exec?: Exec } }[] | null;
}

interface Exec {
  command?: string;
  args?: readonly string[];
}

export const kubeconfig: Kind<KubeconfigChange> = {
  preview(change) {
    const { context, user } = change;
    const now = view(change.path);
    const before = userOf(now, context);
    return [
      ...(isUser(now, change) ? [] : [`+ ${userLine(change)}`]),
      ...(before && before !== user ? [`- ${contextLine(context, before)}`] : []),
      ...(before === user ? [] : [`+ ${contextLine(context, user)}`]),
    ];
  },
  undoing(change) {
    if (state(change) !== "made") return [];
    const { context, user, was } = change;
    return [
      ...(isShared(change) ? [] : [`- ${userLine(change)}`]),
      `- ${contextLine(context, user)}`,
      ...(was ? [`+ ${contextLine(context, was)}`] : []),
    ];
  },
  make(change) {
    const { path, context, user } = change;
    const was = userOf(view(path), context) ?? "";
    setUser(change);
    kubectl(path, ["set-context", context, `--user=${user}`]);
    return was === user ? change : { ...change, was };
  },
  state,
  undo(change) {
    const { path, context, user, was } = change;
    const now = view(path);
    if (userOf(now, context) === user) {
      kubectl(path, ["set-context", context, `--user=${was ?? ""}`]);
    }
    if (isUser(now, change) && !isShared(change)) kubectl(path, ["delete-user", user]);
  },
};

const userLine = ({ user, command }: KubeconfigChange) => `user ${user}: exec ${command.join(" ")}`;
const contextLine = (context: string, user: string) => `context ${context}: user ${user}`;

function state(change: KubeconfigChange): ChangeState {
  const now = view(change.path);
  const isOurs = userOf(now, change.context) === change.user;
  if (isOurs && isUser(now, change)) return "made";
  return isOurs || now.users?.some(({ name }) => name === change.user) ? "changed" : "gone";
}

const userOf = (now: View, context: string) =>
  now.contexts?.find(({ name }) => name === context)?.context?.user;

/** True if the file has the user with this very command. */
function isUser(now: View, { user, command }: KubeconfigChange): boolean {
  const exec = now.users?.find(({ name }) => name === user)?.user?.exec;
  return JSON.stringify([exec?.command, ...(exec?.args ?? [])]) === JSON.stringify(command);
}

/** True if another context has the same user. */
function isShared({ path, context, user }: KubeconfigChange): boolean {
  const others = view(path).contexts?.filter(({ name }) => name !== context) ?? [];
  return others.some((one) => one.context?.user === user);
}

/** `v1` has to say whether kubectl may ask a person; a kubectl that can't say so knows `v1beta1` alone. */
function setUser({ path, user, command: [program = "", ...args] }: KubeconfigChange): void {
  const isNew = run(["config", "set-credentials", "--help"]).includes("--exec-interactive-mode");
  kubectl(path, [
    ...["set-credentials", user, `--exec-command=${program}`],
    `--exec-api-version=client.authentication.k8s.io/${isNew ? "v1" : "v1beta1"}`,
    ...(isNew ? ["--exec-interactive-mode=IfAvailable"] : []),
    ...args.map((arg) => `--exec-arg=${arg}`),
  ]);
}

/** Returns the file of KUBECONFIG, or the usual one, that has the context. Throws AuthdError `invalid_params`. */
export function contextFile(
  context: string,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  const named = (env.KUBECONFIG ?? "").split(delimiter).filter(Boolean);
  const files = named.length > 0 ? named : [join(home, ".kube", "config")];
  const found = files.find((file) => view(file).contexts?.some(({ name }) => name === context));
  if (found !== undefined) return found;
  throw new AuthdError(
    "invalid_params",
    `${files.join(" and ")}: no context ${context}; kubectl config get-contexts shows all.`,
  );
}

function view(path: string): View {
  return JSON.parse(kubectl(path, ["view", "--output=json"])) ?? {};
}

function kubectl(path: string, words: readonly string[]): string {
  return run(["config", `--kubeconfig=${path}`, ...words]);
}

/** Returns what kubectl prints. Throws AuthdError `invalid_params`: its messages show no secret of the file. */
function run(words: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync("kubectl", words, { encoding: "utf8" });
  if (status === 0) return stdout;
  const why = error
    ? errorCode(error) === "ENOENT"
      ? "it is not in the PATH"
      : error.message
    : stderr.trim();
  throw new AuthdError("invalid_params", `kubectl ${words[0]} ${words[2] ?? ""}: ${why}`);
}
