/** Uploads through a real daemon: its rules, its audit log, its lock and its memory. */
import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { countBytes, startStreamingApi } from "../helpers/streaming-api.ts";
import { until } from "../helpers/until.ts";
import { Uploader } from "../helpers/uploading.ts";
import { RawClient } from "../helpers/wire.ts";

const MiB = 1024 * 1024;

/** A daemon with a credential for an API that counts what it is sent. */
async function setup(t: ExecutionContext, policy: object = {}) {
  const origin = await startStreamingApi(t, async (request, response) => {
    const { bytes, error } = await countBytes(request);
    if (!error) response.end(`${bytes}`);
  });
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const settings = { origins: [origin], ...policy };
  const secrets = { token: "made-up" };
  await client.request("credentials/add", { name: "mine", grant: "static", settings, secrets });
  const uploader = new Uploader(await RawClient.open(t, daemon.socket));
  /** The lines of the audit log about requests. */
  const audited = async () => {
    const { stdout } = await daemon.cli(["audit", "--json"]);
    const lines = stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
    return lines.filter(({ method = "" }) => /request/i.test(method));
  };
  return { daemon, client, origin, uploader, audited };
}

test("an upload is one line of the audit log, refused or not, and one use of a rate", async (t) => {
  const rules = {
    expose: "request",
    methods: ["PUT"],
    paths: ["/in/*"],
    allow: [{ name: "few", rate: "2/h" }],
  };
  const { origin, uploader, audited } = await setup(t, rules);
  const opened = async (path: string, method = "PUT") => {
    const about = { credential: "mine", url: `${origin}${path}`, method };
    return (await uploader.call("request/open", about)).error?.data.reason;
  };
  t.is(await opened("/out"), "origin_not_allowed");
  t.is(await opened("/in/x", "POST"), "origin_not_allowed");
  const upload = await uploader.open(`${origin}/in/x`);
  for (let seq = 0; seq < 5; seq++) await uploader.chunk(upload, seq, "some ");
  t.is((await uploader.chunk(upload, 5, "", true)).result?.body, "25");
  t.is(await opened("/in/x"), undefined, "the second use");
  t.is(await opened("/in/x"), "too_busy", "the third");
  await until(async () => (await audited()).length >= 4);
  const lines = await audited();
  t.deepEqual(
    lines.map(({ event, outcome }) => `${event} ${outcome}`),
    ["refusal origin_not_allowed", "refusal origin_not_allowed", "use ok", "refusal too_busy"],
  );
  t.like(lines[2], {
    origin,
    request: "PUT",
    status: 200,
    rule: "few",
    method: "authorizedRequest",
  });
});

test("an upload goes on when its credential is removed or the daemon takes no other", async (t) => {
  const { client, daemon, origin, uploader } = await setup(t);
  const [removed, ended] = [await uploader.open(origin), await uploader.open(origin)];
  await uploader.chunk(removed, 0, "one ");
  await client.request("credentials/remove", { credential: "mine" });
  const { result } = await uploader.chunk(removed, 1, "two", true);
  t.like(result, { status: 200, body: "7" });
  const late = await uploader.call("request/open", { credential: "mine", url: origin });
  t.is(late.error?.data.reason, "unknown_credential");
  await uploader.chunk(ended, 0, "one ");
  const stopped = daemon.stop();
  let answer = await uploader.chunk(ended, 1, "").catch(() => undefined);
  for (let seq = 2; answer?.result; seq++) {
    answer = await uploader.chunk(ended, seq, "").catch(() => undefined);
  }
  t.true(answer === undefined || answer.error?.data.reason === "shutting_down");
  t.is((await stopped).code, 0);
});

/** The most memory that a process has had so far, MiB. */
function peakRss(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

onLinux("a body of 256 MiB takes no memory for its length", async (t) => {
  const { daemon, client, origin } = await setup(t);
  const fetch = client.authorizedFetch("mine");
  const send = async (length: number) => {
    const part = Buffer.alloc(MiB, "some bytes. ");
    const body = (async function* () {
      for (let sent = 0; sent < length; sent += MiB) yield part;
    })();
    const response = await fetch(origin, { method: "PUT", body, duplex: "half" });
    t.is(await response.text(), `${length}`);
  };
  await send(32 * MiB);
  const before = peakRss(daemon.pid);
  await send(256 * MiB);
  const grown = peakRss(daemon.pid) - before;
  t.true(grown < 64, `${grown} MiB more than after 32 MiB`);
});
