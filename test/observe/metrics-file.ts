import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { MetricsFile } from "../../src/observe/metrics-file.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

function setup(t: ExecutionContext, path: string, apartMs = 20) {
  const errors: string[] = [];
  const quiet = () => {};
  let written = 0;
  const file = new MetricsFile({
    path,
    text: async () => `written ${++written}\n`,
    log: { debug: quiet, info: quiet, warn: quiet, error: (_, text) => void errors.push(text) },
    apartMs,
  });
  t.teardown(() => file.close());
  return { file, errors, written: () => written };
}

onUnix("it is replaced as a whole, for all to read, and removed at the end", async (t) => {
  const path = join(temporaryFolder(t), "authd.prom");
  const before = process.umask(0o077);
  t.teardown(() => void process.umask(before));
  const { file } = setup(t, path);
  await until(() => existsSync(path));
  t.is(statSync(path).mode & 0o777, 0o644);
  const { ino } = statSync(path);
  file.changed();
  await until(() => statSync(path).ino !== ino);
  t.deepEqual(readdirSync(dirname(path)), ["authd.prom"]);
  t.deepEqual(file.report, { to: path });
  await file.close();
  t.false(existsSync(path));
});

test("many changes are one writing, and writings are apart", async (t) => {
  const path = join(temporaryFolder(t), "authd.prom");
  const { file, written } = setup(t, path, 3_600_000);
  for (let i = 0; i < 1_000; i++) file.changed();
  await until(() => existsSync(path));
  for (let i = 0; i < 1_000; i++) file.changed();
  await sleep(300);
  t.is(written(), 1);
  t.is(readFileSync(path, "utf8"), "written 1\n");
});

test("what can't be written is said once, told in status, and tried again", async (t) => {
  const folder = join(temporaryFolder(t), "later");
  const path = join(folder, "authd.prom");
  const { file, errors } = setup(t, path);
  await until(() => file.report.error !== undefined);
  t.regex(file.report.error ?? "", /ENOENT/);
  await sleep(300);
  t.is(errors.length, 1);
  mkdirSync(folder);
  await until(() => existsSync(path));
  await until(() => file.report.error === undefined);
});

onUnix("what others put in the way of it is not written through", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "authd.prom");
  const precious = join(folder, "precious");
  writeFileSync(precious, "keep me");
  symlinkSync(precious, path);
  const { errors } = setup(t, path);
  await until(() => lstatSync(path).isFile());
  t.is(readFileSync(precious, "utf8"), "keep me");
  t.deepEqual(errors, []);
});
