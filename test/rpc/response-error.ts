import test from "ava";
import { toResponseError } from "../../src/rpc/response-error.ts";

function told(error: unknown) {
  const logged: string[] = [];
  const quiet = () => {};
  const log = {
    ...{ debug: quiet, info: quiet, warn: quiet },
    error: (about: object, text: string) => void logged.push(JSON.stringify([about, text])),
  };
  return { response: toResponseError(error, "login/start", log), logged };
}

test("a file of authd that an upgrade has removed is no bug: the daemon is to be started again", async (t) => {
  const gone = "./chunks/browser-flow-OF-BEFORE.js";
  const { response, logged } = told(await t.throwsAsync(import(gone)));
  t.is(response.data?.reason, "internal");
  t.regex(response.message, /^login\/start needs a file .* Start the daemon again\.$/);
  t.regex(logged.join(), /ERR_MODULE_NOT_FOUND/);
});

test("what is unforeseen is logged without its message, and told to nobody", (t) => {
  const { response, logged } = told(new SyntaxError("Unexpected token in: hidden"));
  t.deepEqual(response.data, { reason: "internal" });
  t.regex(response.message, /report it as a bug/);
  t.notRegex(response.message + logged.join(), /hidden/);
  t.regex(logged.join(), /SyntaxError/);
});
