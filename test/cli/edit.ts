import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { onLinux } from "../helpers/optional.ts";
import { CTRL_BACKSLASH, CTRL_C, ENTER, onTerminal } from "../helpers/terminal.ts";

/** A daemon with one credential, and an editor that runs `script` with the file as `$1`. */
async function setup(t: ExecutionContext, script: string) {
  const daemon = await startDaemon(t);
  const args = ["add", "fixed", "--grant", "static", "--secrets-from", "-"];
  const added = await daemon.cli([...args, "--set", "origins=https://api.example"], {
    input: '{"token": "x"}',
  });
  t.is(added.code, 0, added.stderr);
  const editor = join(daemon.folder, "editor");
  writeFileSync(editor, `#!/bin/sh\n${script}\n`);
  chmodSync(editor, 0o755);
  return { daemon, editor, file: join(daemon.configDir, "credentials", "fixed.toml") };
}

const state = async (daemon: Daemon) =>
  JSON.parse((await daemon.cli(["show", "fixed", "--json"])).stdout).state;

onLinux(
  "edit opens the file in $VISUAL or $EDITOR, with its arguments, and reads it again",
  async (t) => {
    const { daemon, editor, file } = await setup(
      t,
      'echo "ttl = 60" >> "$2"; echo "$1" > "$0.args"',
    );
    const plain = { VISUAL: "", EDITOR: "" };
    const none = await daemon.cli(["edit", "fixed"], { env: plain });
    t.is(none.code, 2);
    t.regex(none.stderr, /there is no editor: set VISUAL or EDITOR/);
    const absent = await daemon.cli(["edit", "fixed"], {
      env: { ...plain, EDITOR: "no-such-editor" },
    });
    t.is(absent.code, 1);
    t.regex(absent.stderr, /no-such-editor can't be found/);
    const edited = await daemon.cli(["edit", "fixed"], {
      env: { EDITOR: "false", VISUAL: `${editor} --wait` },
    });
    t.is(edited.code, 0, edited.stderr);
    t.is(readFileSync(`${editor}.args`, "utf8"), "--wait\n");
    t.regex(readFileSync(file, "utf8"), /ttl = 60/);
    const shown = JSON.parse((await daemon.cli(["show", "fixed", "--json"])).stdout);
    t.is(shown.settings.ttl, 60);
    t.is((await daemon.cli(["edit", "nothing"], { env: { EDITOR: editor } })).code, 4);
  },
);

onLinux(
  "edit tells a mistake with its line and key, and changes nothing in the daemon",
  async (t) => {
    const { daemon, editor, file } = await setup(t, 'echo "tll = 60" >> "$1"');
    const { code, stderr } = await daemon.cli(["edit", "fixed"], { env: { EDITOR: editor } });
    t.is(code, 5);
    const line = readFileSync(file, "utf8").split("\n").indexOf("tll = 60") + 1;
    t.true(stderr.includes(`${file}, line ${line}: `), stderr);
    t.regex(stderr, /no key "tll"\. Did you mean "ttl"/);
    t.is((await daemon.cli(["get", "fixed"])).stdout, "x\n", "not read yet");
  },
);

onLinux(
  "edit opens the file again after a mistake, then asks to trust what it changes",
  async (t) => {
    const script = `if grep -q mistake "$1"; then sed -i /mistake/d "$1"; sed -i s/api.example/evil.example/ "$1"
else echo "mistake" >> "$1"; fi`;
    const { daemon, editor } = await setup(t, script);
    const env = { env: { ...daemon.env, EDITOR: editor } };
    const terminal = onTerminal(t, env, ["edit", "fixed"]);
    await terminal.type("Open it again?", "y");
    await terminal.type("Trust fixed as its file says now?", ENTER);
    const { code, stdout } = await terminal.ended;
    t.is(code, 1, stdout);
    t.regex(stdout, /origins.*[\s\S]*was.*api\.example[\s\S]*is.*evil\.example/);
    t.is(await state(daemon), "changed");
  },
);

onLinux("without a terminal an edit of where secrets go waits for authd trust", async (t) => {
  const { daemon, editor } = await setup(t, 'sed -i s/api.example/evil.example/ "$1"');
  const { code, stdout } = await daemon.cli(["edit", "fixed"], { env: { EDITOR: editor } });
  t.is(code, 5);
  t.regex(stdout, /was {2}\["https:\/\/api\.example"\][\s\S]*authd trust fixed/);
  t.is(await state(daemon), "changed");
});

for (const [signal, key] of [
  ["INT", CTRL_C],
  ["QUIT", CTRL_BACKSLASH],
] as const) {
  onLinux(
    `SIG${signal} from the keyboard is the editor's, and edit goes on after it`,
    async (t) => {
      const change = 'sed -i s/api.example/evil.example/ "$1"';
      const { daemon, editor } = await setup(
        t,
        `trap '${change}; exit 0' ${signal}; echo "the editor waits"; while :; do sleep 0.1; done`,
      );
      const env = { env: { ...daemon.env, EDITOR: editor } };
      const terminal = onTerminal(t, env, ["edit", "fixed"]);
      await terminal.type("the editor waits", key);
      await terminal.type("Trust fixed as its file says now?", ENTER);
      t.is((await terminal.ended).code, 1);
      t.is(await state(daemon), "changed");
    },
  );
}

onLinux("edit names the signal that ended the editor", async (t) => {
  const { daemon, editor } = await setup(t, "kill -TERM $$");
  const { code, stderr } = await daemon.cli(["edit", "fixed"], { env: { EDITOR: editor } });
  t.is(code, 1);
  t.regex(stderr, /the editor .* was ended by SIGTERM; what it left in/);
});
