import test from "ava";
import { hostOf, storeHost } from "../../src/config/config.ts";

test("the environment's name is taken as it is, or shortened so that names that begin alike differ", (t) => {
  t.is(storeHost({}), undefined);
  t.is(storeHost({ AUTHD_STORE_HOST: "" }), undefined);
  t.is(storeHost({ AUTHD_STORE_HOST: "node-1.example.com" }), "node-1.example.com");
  const fits = "n".repeat(64);
  t.is(storeHost({ AUTHD_STORE_HOST: fits }), fits);
  const [one, two] = ["1", "2"].map((end) =>
    storeHost({ AUTHD_STORE_HOST: `${"n".repeat(252)}${end}` }),
  );
  t.is(one?.length, 64);
  t.is(two?.length, 64);
  t.not(one, two);
});

test("what is no name of a machine is refused, with what one is", (t) => {
  for (const name of ["Node", "-node", "a b", "n".repeat(254)]) {
    t.throws(() => storeHost({ AUTHD_STORE_HOST: name }), {
      message: /up to 253 characters of a-z/,
    });
  }
});

test("settings name the host before the machine does", (t) => {
  t.is(hostOf({ host: "web-1" }), "web-1");
  t.regex(hostOf({}), /^[a-z0-9._-]{1,64}$/);
});
