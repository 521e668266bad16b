import test from "ava";
import type { Call, HandlersWithoutUploads } from "../../src/rpc/call.ts";
import { check, compose, type Interceptor } from "../../src/rpc/compose.ts";

const call = {} as Call;

function table(seen: string[]): HandlersWithoutUploads {
  return {
    getToken: () => void seen.push("handler"),
    status: () => void seen.push("status"),
  } as unknown as HandlersWithoutUploads;
}

test("calls go through interceptors in the order in which they are named", (t) => {
  const seen: string[] = [];
  const named =
    (name: string): Interceptor =>
    (next, method) =>
    (params, call) => {
      seen.push(`${name} ${method}`);
      const result = next(params, call);
      seen.push(`${name} again`);
      return result;
    };
  const { getToken } = compose([named("first"), named("second")], table(seen));
  getToken({ credential: "a" }, call);
  t.deepEqual(seen, [
    "first getToken",
    "second getToken",
    "handler",
    "second again",
    "first again",
  ]);
});

test("a check that throws keeps the call from what comes after it, of its method alone", (t) => {
  const seen: string[] = [];
  const refuse = check({
    getToken: ({ credential }: { credential: string }) => {
      if (credential === "b") throw new Error("no");
    },
  });
  const { getToken, status } = compose([refuse], table(seen));
  t.throws(() => getToken({ credential: "b" }, call), { message: "no" });
  getToken({ credential: "a" }, call);
  status({}, call);
  t.deepEqual(seen, ["handler", "status"]);
});
