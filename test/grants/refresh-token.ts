import test from "ava";
import { grantNamed } from "../../src/grants/index.ts";
import { acquire } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";

const secrets = { refresh_token: "r1", client_secret: "cs" };

test("the refresh token is spent and its successor brought back, with its lifetime", async (t) => {
  for (const name of ["refresh_expires_in", "refresh_token_expires_in"]) {
    const json = { access_token: "abc", refresh_token: "r2", [name]: "1800" };
    const issuer = await startIssuer(t, { json });
    const settings = { token_url: issuer.url, client_id: "demo", scope: "read" };
    const acquired = await acquire(t, "refresh_token", { settings, secrets });
    t.is(acquired.refreshToken, "r2");
    t.is(acquired.refreshExpiresIn, 1800);
    t.deepEqual(
      [...issuer.requests[0]!.form],
      [
        ["grant_type", "refresh_token"],
        ["refresh_token", "r1"],
        ["scope", "read"],
      ],
    );
  }
  t.is(grantNamed("refresh_token").rotates?.({}), "refresh_token");
});

test("an answer without a refresh token, or with an empty one, brings none", async (t) => {
  for (const refresh_token of [undefined, null, "", true]) {
    const issuer = await startIssuer(t, { json: { access_token: "abc", refresh_token } });
    const settings = { token_url: issuer.url, client_id: "demo" };
    const acquired = await acquire(t, "refresh_token", { settings, secrets });
    t.false("refreshToken" in acquired);
  }
});

test("Keycloak's refresh_expires_in of 0 is for ever", async (t) => {
  const json = { access_token: "abc", refresh_token: "r2", refresh_expires_in: 0 };
  const issuer = await startIssuer(t, { json });
  const settings = { token_url: issuer.url };
  const acquired = await acquire(t, "refresh_token", { settings, secrets });
  t.is(acquired.refreshExpiresIn, undefined);
});

test("an answer that can't be parsed may have spent the refresh token", async (t) => {
  for (const answer of [{ body: "{" }, { status: 502 }, { status: 504 }]) {
    const issuer = await startIssuer(t, answer);
    const attempt = acquire(t, "refresh_token", { settings: { token_url: issuer.url }, secrets });
    t.like(await t.throwsAsync(attempt), {
      reason: "issuer_unavailable",
      contact: { sent: true, answered: false },
    });
  }
});

test("the next refresh token at a place of its own", async (t) => {
  const json = { data: { access: "abc", refresh: { token: 42 } }, refresh_token: "no" };
  const issuer = await startIssuer(t, { json });
  const response = { token: "/data/access", refresh_token: "/data/refresh/token" };
  const acquired = await acquire(t, "refresh_token", {
    settings: { token_url: issuer.url, response },
    secrets,
  });
  t.is(acquired.accessToken, "abc");
  t.is(acquired.refreshToken, "42");
});
