import test from "ava";
import { Uploads } from "../../src/admin/uploads.ts";
import type { ConnectionHandle } from "../../src/rpc/call.ts";

/** A connection that the test ends. */
function connection(): ConnectionHandle & { end(): void } {
  const listeners: (() => void)[] = [];
  return {
    onClose: (listener: () => void) => void listeners.push(listener),
    end: () => {
      for (const listener of listeners) listener();
    },
  } as unknown as ConnectionHandle & { end(): void };
}

test("parts are put together, each connection's for itself, and forgotten with it", (t) => {
  const uploads = new Uploads();
  const [one, two] = [connection(), connection()];
  t.is(uploads.concat(one), undefined);
  t.is(uploads.add(one, Buffer.from("ab")), 2);
  t.is(uploads.add(two, Buffer.from("x")), 1);
  t.is(uploads.add(one, Buffer.alloc(0)), 2);
  t.is(uploads.add(one, Buffer.from("c")), 3);
  t.is(uploads.concat(one)?.toString(), "abc");
  one.end();
  t.is(uploads.concat(one), undefined);
  t.is(uploads.concat(two)?.toString(), "x");
});

test("all together may have 64 MiB", (t) => {
  const uploads = new Uploads();
  const [one, two] = [connection(), connection()];
  const most = 64 * 1024 ** 2;
  uploads.add(one, Buffer.alloc(most - 1));
  t.throws(() => uploads.add(one, Buffer.alloc(2)), { message: /may have/ });
  t.throws(() => uploads.add(two, Buffer.alloc(2)), { message: /Another upload/ });
  uploads.drop(one);
  t.is(uploads.add(two, Buffer.alloc(2)), 2);
});

test("an upload in very many parts takes no longer for each", (t) => {
  const uploads = new Uploads();
  const one = connection();
  const part = Buffer.from("x");
  for (let count = 0; count < 200_000; count++) uploads.add(one, part);
  t.is(uploads.concat(one)?.length, 200_000);
});
