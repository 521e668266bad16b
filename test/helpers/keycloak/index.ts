/** Tests at Keycloak: one server for all files (scripts/test-servers.mjs starts it), one realm a file. */
import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { absent, missing } from "../optional.ts";
import { FileScope } from "../scope.ts";
import { KEYCLOAK_PROGRAMS } from "./distribution.ts";
import { createRealm, type KeycloakClient, type Realm } from "./realm.ts";
import { type KeycloakAddress, launchKeycloak } from "./server.ts";

export { confidentialClient, publicClient } from "./realm.ts";

/** Returns `test.serial` of this file, which says so where a program is not installed. */
export function testsAtKeycloak(clients: readonly KeycloakClient[], ...programs: string[]) {
  const lacking = absent(...KEYCLOAK_PROGRAMS, ...programs);
  const scope = new FileScope();
  let realm: Realm | undefined;
  test.before(async () => {
    if (lacking.length === 0) realm = await createRealm(await address(scope), clients);
  });
  test.after.always(() => scope.end());
  return (title: string, work: (t: ExecutionContext, realm: Realm) => Promise<void>) => {
    test.serial(title, async (t) => {
      if (!realm) return missing(t, `${lacking.join(", ")} is not installed`);
      return await work(t, realm);
    });
  };
}

/** Returns the server that runs, or starts one for this file. */
async function address(scope: FileScope): Promise<KeycloakAddress> {
  const shared = process.env.AUTHD_TEST_KEYCLOAK;
  if (shared !== undefined) return JSON.parse(readFileSync(shared, "utf8"));
  const { address, stop } = await launchKeycloak();
  scope.teardown(stop);
  return address;
}
