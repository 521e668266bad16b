import test from "ava";
import { whyUnfitSecret } from "../../src/cli/check-secret.ts";

test("a secret is checked when it is entered, and never quoted", (t) => {
  const headers = { "x-api-key": "{secret.api_key}" };
  for (const [grant, name, value, wanted] of [
    ["static", "token", "tell\nnobody", /no HTTP header can carry/],
    ["password", "otp_secret", "tell-nobody-1", /neither a base32 key nor/],
    ["client_credentials", "api_key", "tell\nnobody", /no HTTP header can carry/],
  ] as const) {
    const why = whyUnfitSecret({ grant, headers }, name, value) ?? "nothing";
    t.regex(why, wanted);
    t.false(why.includes("nobody"));
  }
  t.is(whyUnfitSecret({ grant: "password", headers }, "otp_secret", "JBSWY3DPEHPK3PXP"), undefined);
  t.is(whyUnfitSecret({ grant: "password", headers }, "password", "line\nbreak"), undefined);
});
