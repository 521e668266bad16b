import test from "ava";
import type { CredentialSettings } from "../../src/config/settings.ts";
import type { CredentialDeps } from "../../src/credential/credential-deps.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { placeAlone } from "../../src/credential/shared/alone.ts";
import { assertNotOthers } from "../../src/credential/shared/former-store.ts";

const DEPS = { formerStore: "file:///srv/authd" } as CredentialDeps;
const SETTINGS = { name: "a", grant: "refresh_token", own: {} } as CredentialSettings;

function isFenced(shared: CredentialRecord["shared"]): boolean {
  const record = {
    secrets: { refresh_token: "r" },
    binding: "",
    tokens: [],
    ...(shared && { shared }),
  };
  try {
    assertNotOthers(DEPS, SETTINGS, record);
    return false;
  } catch {
    return true;
  }
}

test("a refresh token that a store may have had is fenced, also under a change that waits", (t) => {
  const place = { version: 3, generation: 3, epoch: 7 };
  t.true(isFenced(place));
  const change = { ...place, generation: 4, pending: true };
  t.true(isFenced({ ...change, keepsToken: true }));
  t.true(isFenced(change), "its commit may have arrived");
  t.true(
    isFenced({ version: 0, generation: 1, epoch: 1, pending: true }),
    "as that of an addition",
  );
  t.true(isFenced({ ...placeAlone(undefined), keepsToken: true }));
  t.false(isFenced(placeAlone(undefined)));
  t.false(isFenced(undefined));
});
