import test from "ava";
import { drawScreen } from "../../../src/cli/status/screen.ts";
import { View } from "../../../src/cli/status/view.ts";
import { painter, width } from "../../../src/cli/style.ts";
import type { CredentialInfo, Problem, StatusResult } from "../../../src/protocol.ts";
import { NOW, readyInfo } from "../../helpers/credential-info.ts";

const bare = painter({ isTTY: false }, {});
const coloured = painter({ isTTY: true }, { FORCE_COLOR: "1" });

function viewOf(credentials: CredentialInfo[], problems: Problem[] = []): View {
  const view = new View();
  view.credentials = credentials;
  view.daemon = {
    version: "1.2.3",
    pid: 42,
    startedAt: NOW - 3_600_000,
    socket: "/run/authd.sock",
    vaultKey: "file",
    credentials: credentials.length,
    connections: 2,
    pendingRefreshes: 0,
    states: { ready: credentials.length },
    problems,
  } as StatusResult;
  return view;
}

const many = (count: number) =>
  Array.from({ length: count }, (_, index) => readyInfo({ name: `credential-${index}` }));

const problem: Problem = {
  credential: "e5",
  reason: "credential_rejected",
  message: "refused",
  help: "authd set e5",
};

test("problems and a line that sums up stand above the credentials", (t) => {
  const view = viewOf([readyInfo()], [problem]);
  const lines = drawScreen(view, NOW, { columns: 100, rows: 24 }, bare);
  t.regex(lines[0]!, /^authd 1\.2\.3 · pid 42 · up 60 min · 1 credential/);
  t.is(lines[1], "1 ready");
  t.is(lines[2], "✖ e5 (credential_rejected): authd set e5");
  t.true(lines.findIndex((line) => line.includes("labelf")) > 2);
  t.regex(lines.at(-1)!, /q quit$/);
});

test("it fits any terminal, painted or not, with wide characters, in a story and while typing", (t) => {
  const long = { ...problem, help: "日本語 ".repeat(60) };
  for (const paint of [bare, coloured]) {
    for (const [columns, rows] of [
      [80, 24],
      [200, 50],
      [40, 12],
      [20, 5],
      [9, 3],
      [1, 1],
    ] as const) {
      const view = viewOf(many(60), [long, long, long, long]);
      const fits = (what: string) => {
        const lines = drawScreen(view, NOW, { columns, rows }, paint);
        t.true(lines.length <= rows, `${lines.length} lines in ${rows}: ${what}`);
        t.true(Math.max(...lines.map(width)) <= columns, `${columns} columns: ${what}`);
      };
      fits("the list");
      view.press({ sequence: "/" });
      view.press({ sequence: "1" });
      fits("a filter");
      view.press({ name: "return" });
      view.story = { name: "x", lines: many(60).map(({ name }) => paint("bold", name.repeat(9))) };
      fits("a story");
      view.offline = "No daemon answers: ".repeat(20);
      view.story = undefined;
      fits("no daemon");
    }
  }
});

test("keys move through 10,000 credentials, and the selected one is always there", (t) => {
  const view = viewOf(many(10_000));
  const size = { columns: 80, rows: 24 };
  const selectedLine = () =>
    drawScreen(view, NOW, size, bare).find((line) => line.startsWith("›")) ?? "";
  t.regex(selectedLine(), /credential-0 /);
  for (const [name, expected] of [
    ["down", "credential-1 "],
    ["pagedown", "credential-20 "],
    ["end", "credential-9999 "],
    ["up", "credential-9998 "],
    ["home", "credential-0 "],
    ["up", "credential-0 "],
  ] as const) {
    view.press({ name });
    t.true(selectedLine().includes(expected), `${name}: ${selectedLine()}`);
  }
});

test("a daemon that went away is told, and what was known stays", (t) => {
  const view = viewOf([readyInfo()]);
  view.offline = "No daemon answers";
  const lines = drawScreen(view, NOW, { columns: 80, rows: 24 }, bare);
  t.true(lines.includes("No daemon answers"));
  t.true(lines.some((line) => line.includes("labelf")));
});

test("text of others can't steer the terminal", (t) => {
  const view = viewOf([readyInfo()], [{ ...problem, help: "no\x1b[2J answer" }]);
  const steers = () =>
    drawScreen(view, NOW, { columns: 80, rows: 24 }, bare).join("").includes("\x1b");
  t.false(steers());
  view.message = "labelf: no\x1b[2J answer";
  t.false(steers(), "the list's last line");
  view.story = { name: "labelf", lines: [] };
  t.false(steers(), "the story's last line");
});
