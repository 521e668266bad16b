/** Hands tokens to systemd, which asks a socket for them: `LoadCredential=ID:/path/of/the/socket`. */
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { lastError, libc } from "../base/libc.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { assertWelcome, descriptorOf } from "../rpc/peer.ts";
import { listenActivated } from "../rpc/socket.ts";
import { CLIENTS, LINUX } from "../service/system-wide/places.ts";
import { quote, unitFolder, unitIn } from "../service/systemd.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import type { Change } from "./setup/change.ts";

/** Time (ms) without a connection after which the process ends: systemd starts it for the next one. */
const IDLE_MS = 60_000;

/** Answers every connection to the socket that systemd has passed on. `ID=NAME` in the arguments renames. */
export async function answer(call: HelperCall): Promise<number> {
  const names = new Map(call.args.map(nameFor));
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    void hand(socket, names, call);
  });
  if (!(await listenActivated(server)))
    throw new AuthdError(
      "invalid_params",
      "This is run by systemd, with a socket: authd helper install systemd",
    );
  await idle(server);
  return 0;
}

function nameFor(word: string): [id: string, name: string] {
  const [, id, name] = /^([^=]+)=(.+)$/.exec(word) ?? [];
  if (id && name) return [id, name];
  throw new AuthdError("invalid_params", `"${word}" is no ID=NAME`);
}

/** Writes the token and nothing else. The protocol has no word for a failure: the credential is empty then. */
async function hand(socket: Socket, names: Map<string, string>, call: HelperCall): Promise<void> {
  let asker = "a program that is not systemd";
  try {
    assertWelcome(socket);
    const request = requestIn(peerAddress(socket));
    if (!request) throw new AuthdError("caller_not_allowed", "it names no unit and no credential");
    asker = `${request.unit}: ${request.id}`;
    const credential = names.get(request.id) ?? request.id;
    const { accessToken } = await call.getToken({ credential });
    socket.end(accessToken);
    call.complain(`${asker}: handed out\n`);
  } catch (error) {
    socket.end();
    call.complain(`${asker}: nothing handed out: ${messageOf(error)}\n`);
  }
}

/** Resolves when nobody has been connected for a while. */
async function idle(server: Server): Promise<void> {
  let open = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, IDLE_MS);
    server.on("connection", (socket) => {
      open++;
      clearTimeout(timer);
      socket.once("close", () => {
        open--;
        if (open === 0) timer.refresh();
      });
    });
  });
  server.close();
}

/** A unit, and the id that its `LoadCredential=` names. */
interface CredentialRequest {
  unit: string;
  id: string;
}

/** Linux, unix(7): bytes of `sun_family`, before the name. */
const FAMILY_BYTES = 2;

/**
 * Reads the name that systemd gives its end of the connection, in the abstract namespace:
 * `\0RANDOM/unit/UNIT/ID`. Undefined: somebody else has connected.
 */
export function requestIn(address: Uint8Array): CredentialRequest | undefined {
  const name = Buffer.from(address.subarray(FAMILY_BYTES)).toString("latin1");
  const [, unit, id] = /^\0[0-9a-f]+\/unit\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
  return unit && id ? { unit, id } : undefined;
}

/** Returns the address of the other end, getpeername(2). */
function peerAddress(socket: Socket): Uint8Array {
  const getpeername = libc("int getpeername(int, void *, void *)");
  const address = new Uint8Array(128);
  const length = new Uint32Array([address.byteLength]);
  if (getpeername?.(descriptorOf(socket), address, length) !== 0) throw lastError("getpeername");
  return address.subarray(0, length[0]);
}

const SERVICE = "authd-credentials.service";
const SOCKET = "authd-credentials.socket";

/** `--for ID=NAME` where a credential's name is not the id that units ask for. Root's is for the system's units. */
export function changes(options: InstallOptions): Change[] {
  const isRoot = process.geteuid?.() === 0;
  const folder = isRoot ? "/etc/systemd/system" : unitFolder(options.env);
  return [
    { kind: "file", path: join(folder, SOCKET), content: unitIn(SOCKET) },
    { kind: "file", path: join(folder, SERVICE), content: serviceUnit(options, isRoot) },
  ];
}

function serviceUnit({ env, command, wanted }: InstallOptions, isRoot: boolean): string {
  const renamed = wanted.flatMap(({ target, credential }) =>
    credential ? [`${target}=${credential}`] : [],
  );
  const words = [...command, "helper", "systemd", ...renamed].map(unitWord);
  const socket = env.AUTHD_SOCKET || (isRoot ? LINUX.socket : undefined);
  const lines = [
    ...(socket ? [`Environment=${quote(`AUTHD_SOCKET=${socket}`)}`] : []),
    // A user of its own, for which the credentials have rules.
    ...(isRoot && socket === LINUX.socket
      ? ["DynamicUser=yes", `SupplementaryGroups=${CLIENTS}`]
      : []),
    `ExecStart=${words.join(" ")}`,
  ];
  return unitIn(SERVICE).replace(/^ExecStart=.*$/m, () => lines.join("\n"));
}

/** A command's word in a unit, where "$" stands for a variable as well. */
const unitWord = (word: string) => quote(word).replaceAll("$", "$$$$");
