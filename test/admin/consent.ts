import test from "ava";
import { type Consent, type Needs, withConsent } from "../../src/admin/consent.ts";
import { Turns } from "../../src/base/turns.ts";

function setUp() {
  const turns = new Turns();
  const changing = (ask: Consent, work: (needs: Needs) => Promise<void>) =>
    withConsent(ask, (turn) => turns.run(turn), work);
  return { turns, changing };
}

test("who waits for a person holds up nobody, and goes by what is there afterwards", async (t) => {
  const { turns, changing } = setUp();
  const log: string[] = [];
  let answer = () => {};
  let guarded: string | undefined = "demo";
  const ask = async (name: string) => {
    log.push(`asked about ${name}`);
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
  };
  const work = async (needs: Needs) => {
    needs(guarded);
    log.push("done");
  };
  const changed = changing(ask, work);
  await turns.run(async () => {});
  await turns.run(async () => void log.push("another's turn"));
  t.deepEqual(log, ["asked about demo", "another's turn"]);
  answer();
  await changed;
  t.deepEqual(log.slice(2), ["done"]);

  // A question that is not needed is not asked; one that only the turn finds out is.
  guarded = undefined;
  await changing(ask, work);
  t.deepEqual(log.slice(3), ["done"]);
  const queued = turns.run(async () => {
    guarded = "late";
  });
  const late = changing(ask, work);
  await queued;
  await turns.run(async () => {});
  t.is(log.at(-1), "asked about late");
  answer();
  await late;
});

test("a change of several guarded credentials asks about each of them", async (t) => {
  const { changing } = setUp();
  const log: string[] = [];
  const ask = async (name: string) => void log.push(`asked about ${name}`);
  await changing(ask, async (needs) => {
    needs("one");
    needs(undefined);
    needs("two");
    log.push("done");
  });
  t.deepEqual(log, ["asked about one", "asked about two", "done"]);
});

test("a change that comes to something else after the yes is asked about again", async (t) => {
  const { changing } = setUp();
  const log: string[] = [];
  let where = "here";
  const ask = async (name: string, what?: string) => {
    log.push(`${name} ${what}`);
    where = "there";
  };
  await changing(ask, async (needs) => {
    needs("demo", () => `token_url=${where}`);
    log.push("done");
  });
  t.deepEqual(log, ["demo token_url=here", "demo token_url=there", "done"]);
});

test("a no ends it with nothing done, and the next change has its turn", async (t) => {
  const { turns, changing } = setUp();
  let done = 0;
  const work = async (needs: Needs) => {
    needs("demo");
    done++;
  };
  const refuse = async () => {
    throw new Error("no");
  };
  await t.throwsAsync(changing(refuse, work), { message: "no" });
  t.is(done, 0);
  t.is(await turns.run(async () => "next"), "next");
});
