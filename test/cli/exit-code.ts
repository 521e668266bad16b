import test from "ava";
import { EXIT_CODE } from "../../src/cli/exit-code.ts";
import { nextStep } from "../../src/cli/next-step.ts";

test("each reason has the exit code that scripts rely on", (t) => {
  const byCode = new Map<number, string[]>();
  for (const [reason, code] of Object.entries(EXIT_CODE)) {
    byCode.set(code, [...(byCode.get(code) ?? []), reason]);
  }
  t.deepEqual(Object.fromEntries(byCode), {
    1: ["request_failed", "request_too_large", "response_too_large", "cancelled", "internal"],
    2: ["invalid_params"],
    3: ["no_daemon"],
    4: ["unknown_credential"],
    5: ["login_required", "credential_rejected", "credential_changed", "credential_damaged"],
    6: ["origin_not_allowed", "caller_not_allowed", "token_not_exposed", "vault_locked"],
    7: ["issuer_unavailable", "timeout", "too_busy", "shutting_down"],
  });
});

test("the next step names the credential, and is left out where the message has one", (t) => {
  t.is(nextStep("credential_rejected", "labelf", "refused"), "authd set labelf");
  t.is(nextStep("credential_rejected", "labelf", "refused: authd set labelf"), undefined);
  t.is(nextStep("invalid_params", "labelf", "no"), undefined);
});
