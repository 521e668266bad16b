import test from "ava";
import { grants } from "../../src/grants/index.ts";
import { acquire } from "../helpers/acquire.ts";

test("a static token is handed on as it is, for ever", async (t) => {
  t.deepEqual(await acquire(t, "static", { settings: {}, secrets: { token: "lbl_demo" } }), {
    accessToken: "lbl_demo",
    tokenType: "Bearer",
    expiresIn: "forever",
  });
  t.is(grants.static.issuerUrl({}, {}), undefined);
  t.false(grants.static.acceptsTarget({}));
});

test("a token that no header can carry, or none at all, is for a person", async (t) => {
  for (const token of ["a\nb", ""]) {
    const attempt = acquire(t, "static", { settings: {}, secrets: { token } });
    const error = await t.throwsAsync(attempt, { message: /"demo" .*token/ });
    t.like(error, { reason: "credential_rejected", contact: { sent: false, answered: false } });
  }
});
