/** Somebody else listens where a client looks for the daemon, or takes its place at the last moment. */
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import { as, give, STRANGER } from "../helpers/another-user.ts";
import { start } from "../helpers/child.ts";
import { makeHome, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot } from "../helpers/optional.ts";

/** Listens on a path as the stranger; what it is sent goes to its file. */
async function impostor(t: ExecutionContext, path: string, file: string) {
  const source = `
    const fs = require("node:fs");
    require("node:net").createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (data) => {
        fs.appendFileSync(process.argv[2], data);
        socket.end('{"jsonrpc":"2.0","id":1,"result":{"accessToken":"of the impostor","headers":{}}}\\n');
      });
    }).listen(process.argv[1], () => { fs.chmodSync(process.argv[1], 0o777); console.log("listens"); });`;
  const [command = "", ...args] = [...as(STRANGER), process.execPath, "-e", source, path, file];
  const running = start(t, command, args);
  await running.says("listens");
  return running;
}

function strangersFolder(t: ExecutionContext): string {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "his"), { mode: 0o755 });
  give(join(folder, "his"), STRANGER);
  return join(folder, "his");
}

asRoot("no command sends a byte to an impostor's socket, nor to one behind his link", async (t) => {
  const his = strangersFolder(t);
  const [socket, file, link] = ["s", "file", "link"].map((name) => join(his, name));
  await impostor(t, socket!, file!);
  symlinkSync(socket!, link!);
  for (const path of [socket!, link!]) {
    const home = makeHome(t, { env: { AUTHD_SOCKET: path } });
    const credential = { grant: "static", settings: {}, secrets: { token: "practice-secret" } };
    const said = await Promise.all([
      home.cli(["get", "mine"]),
      home.add("mine", { credential }),
      home.cli(["request", "mine", "https://api.example.com"]),
      home.cli(["status"]),
    ]);
    for (const { code, stdout, stderr } of said) {
      t.is(code, 3, stderr);
      t.is(stdout, "");
      t.regex(stderr, new RegExp(`belongs to user ${STRANGER}, not to you`));
    }
  }
  t.false(existsSync(file!));
});

asRoot(
  "a link that turns to an impostor while a client connects does not get it there",
  async (t) => {
    const daemon = await startDaemon(t);
    const credential = { grant: "static", settings: {}, secrets: { token: "practice-true" } };
    t.is((await daemon.add("mine", { credential })).code, 0);
    const his = strangersFolder(t);
    const [socket, file, link] = ["s", "file", "link"].map((name) => join(his, name));
    await impostor(t, socket!, file!);
    // Now the daemon's socket, now his own, as fast as he can.
    const source = `
    const fs = require("node:fs");
    const [ours, his, link] = process.argv.slice(1);
    const turn = () => {
      for (let i = 0; i < 500; i++) {
        fs.symlinkSync(i % 2 ? his : ours, link + ".new");
        fs.renameSync(link + ".new", link);
      }
      setImmediate(turn);
    };
    fs.symlinkSync(ours, link);
    console.log("turns");
    turn();`;
    const [command = "", ...args] = [...as(STRANGER), process.execPath, "-e", source];
    await start(t, command, [...args, daemon.socket, socket!, link!]).says("turns");
    const outcomes = { true: 0, refused: 0 };
    for (let i = 0; i < 400; i++) {
      const client = connect({ socket: link! });
      try {
        t.is((await client.getToken({ credential: "mine" })).accessToken, "practice-true");
        outcomes.true++;
      } catch (error) {
        t.regex(String(error), /belongs to user|No daemon answers/);
        outcomes.refused++;
      } finally {
        client.close();
      }
    }
    await pause(50);
    t.is(existsSync(file!) ? readFileSync(file!, "utf8") : "", "");
    t.true(outcomes.refused > 0, JSON.stringify(outcomes));
  },
);
