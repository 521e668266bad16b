/** docker's credential helper, which podman, buildah and skopeo speak too: docker-credential-helpers. */
import { join } from "node:path";
import { version } from "../base/version.ts";
import { AuthdError } from "../errors.ts";
import type { HelperCall, InstallOptions } from "./helper.ts";
import { parsePlace } from "./places.ts";
import type { Change } from "./setup/change.ts";

/** The user where `helpers.toml` names none: most registries look at the token alone. */
const DEFAULT_USER = "oauth2";
/** The words by which docker knows that there is no credential, and goes on without one. */
const NOT_FOUND = "credentials not found in native keychain";
/** The name that docker puts behind "docker-credential-" to find the program. */
const HELPER_NAME = "authd";
/** Docker Hub's names: docker's own, and that of podman and skopeo. */
const HUB = ["https://index.docker.io/v1/", "docker.io"];

const ACTIONS: Readonly<Record<string, (call: HelperCall) => Promise<number>>> = {
  get,
  list,
  store: refuse,
  // docker logout: nothing was stored.
  erase: async () => 0,
  version: async ({ write }) => {
    write(`docker-credential-${HELPER_NAME} (authd) ${version}\n`);
    return 0;
  },
};

/** Answers docker. */
export async function answer(call: HelperCall): Promise<number> {
  const [action = ""] = call.args;
  if (Object.hasOwn(ACTIONS, action)) return await ACTIONS[action]!(call);
  throw new AuthdError("invalid_params", `docker's helper knows no action "${action}"`);
}

/** Writes the error to standard output, where docker looks for it, and for the person: docker may keep it to itself. */
export function fail(call: HelperCall, message: string): number {
  call.write(message);
  call.complain(message);
  return 1;
}

async function get(call: HelperCall): Promise<number> {
  const asked = (await call.read()).trim();
  const found = asked === "" ? undefined : await call.credentialFor(parsePlace(canonical(asked)));
  if (!found) {
    call.write(`${NOT_FOUND}\n`);
    return 1;
  }
  const { accessToken } = await call.getToken({ credential: found.credential });
  const user = found.user ?? DEFAULT_USER;
  call.write(`${JSON.stringify({ ServerURL: asked, Username: user, Secret: accessToken })}\n`);
  return 0;
}

/** Lists the registries of `helpers.toml`: others would have to be guessed. */
async function list({ mapped, write }: HelperCall): Promise<number> {
  const users = (await mapped()).map(({ place }) => [place.host, place.user ?? DEFAULT_USER]);
  write(`${JSON.stringify(Object.fromEntries(users))}\n`);
  return 0;
}

async function refuse(): Promise<number> {
  throw new AuthdError(
    "invalid_params",
    "authd gets tokens by itself and stores none of docker login's. To enter another secret: authd set NAME",
  );
}

/** Returns the registry as `helpers.toml` has it. */
function canonical(registry: string): string {
  return HUB.includes(registry) ? "docker.io" : registry;
}

/** Throws AuthdError `invalid_params` without a registry: as the only store authd would hide other logins. */
export function changes({ env, home, command, wanted }: InstallOptions): Change[] {
  if (wanted.length === 0) {
    const message = "Which registry? authd helper install docker --for ghcr.io=NAME";
    throw new AuthdError("invalid_params", message);
  }
  const path = join(env.DOCKER_CONFIG || join(home, ".docker"), "config.json");
  const name = `docker-credential-${HELPER_NAME}`;
  return [
    {
      kind: "program",
      path: join(home, ".local", "bin", name),
      command: [...command, "helper", "docker"],
    },
    ...wanted.flatMap(({ target, credential }) => {
      const { host } = parsePlace(target);
      const of = { target, ...(credential === undefined ? {} : { credential }) };
      return (host === "docker.io" ? HUB : [host]).map(
        (key): Change => ({
          kind: "json",
          path,
          at: ["credHelpers", key],
          value: HELPER_NAME,
          ...of,
        }),
      );
    }),
  ];
}
