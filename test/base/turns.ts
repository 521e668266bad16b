import test from "ava";
import { Turns } from "../../src/base/turns.ts";

test("one at a time, in order, but for what goes ahead; an error ends only its own turn", async (t) => {
  const turns = new Turns();
  const done: string[] = [];
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const work = (name: string) => async () => {
    if (name === "first") await gate;
    done.push(name);
    if (name === "fails") throw new Error(name);
    return name;
  };
  const all = [
    turns.run(work("first")),
    turns.run(work("fails")).catch((error) => error.message),
    turns.run(work("last")),
    turns.runNext(work("ahead")),
  ];
  open();
  t.deepEqual(await Promise.all(all), ["first", "fails", "last", "ahead"]);
  t.deepEqual(done, ["first", "ahead", "fails", "last"]);
  t.is(await turns.run(work("later")), "later");
});
