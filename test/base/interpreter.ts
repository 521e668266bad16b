import test from "ava";
import { isInterpreter, isLauncher } from "../../src/base/interpreter.ts";

for (const program of [
  "/bin/sh",
  "/bin/bash",
  "/usr/bin/dash",
  "/usr/bin/zsh",
  "/usr/bin/fish",
  "/usr/bin/node",
  "/usr/local/bin/node20",
  "/usr/bin/python3",
  "/usr/bin/python3.12",
  "/usr/bin/perl5.36.0",
  "/usr/bin/ruby3.1",
  "/usr/bin/php8.2",
  "/usr/bin/env",
  "/usr/bin/curl",
  "/usr/bin/nc.openbsd",
  "/usr/bin/busybox",
  "/opt/authd/authd",
  "C:\\Windows\\cmd.exe".split("\\").at(-1)!,
  "/lib64/ld-linux-x86-64.so.2",
  "/usr/bin/java",
  "/usr/bin/vim.basic",
  "/usr/bin/emacs-gtk",
  "/usr/bin/flock",
  "/usr/bin/find",
  "/usr/bin/git",
  "/usr/bin/tmux",
  "/usr/lib/systemd/systemd",
  "/lib/ld-musl-x86_64.so.1",
  "/usr/bin/qemu-x86_64-static",
  "/usr/bin/python3.13t",
  "/usr/bin/python3.11-dbg",
  "/usr/bin/perl5.36-x86_64-linux-gnu",
  "/usr/bin/bash.static",
]) {
  test(`runs whatever it is told to: ${program}`, (t) => t.true(isInterpreter(program)));
}

for (const program of [
  "/usr/bin/backup",
  "/usr/bin/rclone",
  "/opt/nodered/bin/nodemailer",
  "/usr/bin/shred",
  "/usr/bin/pythonista",
  "/usr/bin/gitea",
  "/usr/bin/make-report",
  "/usr/bin/envoy",
]) {
  test(`speaks for itself: ${program}`, (t) => t.false(isInterpreter(program)));
}

for (const executable of [
  "/usr/lib/systemd/systemd",
  "/sbin/init",
  "/usr/bin/tmux",
  "/usr/sbin/cron",
]) {
  test(`starts everybody's programs: ${executable}`, (t) =>
    t.true(isLauncher({ pid: 700, executable, name: "x" })));
}

test("the first process of all does, whatever it is; others speak for themselves", (t) => {
  t.true(isLauncher({ pid: 1, executable: undefined, name: "anything" }));
  t.true(isLauncher({ pid: 9, executable: undefined, name: "systemd" }));
  t.false(isLauncher({ pid: 9, executable: "/usr/bin/backup", name: "systemd" }));
});

test("names of programs of Windows count there, and elsewhere with their ending", (t) => {
  for (const name of ["wt", "py", "wsl", "msbuild", "conhost", "rundll32"]) {
    t.false(isInterpreter(`/usr/local/bin/${name}`, "linux"), name);
    t.true(isInterpreter(name, "win32"), name);
    t.true(isInterpreter(`${name}.exe`, "linux"), name);
  }
  for (const name of ["explorer", "services", "svchost", "winlogon"]) {
    const called = (executable: string) => ({ pid: 9, executable, name: "x" });
    t.false(isLauncher(called(`/usr/local/bin/${name}`), "linux"), name);
    t.true(isLauncher(called(name), "win32"), name);
    t.true(isLauncher(called(`${name}.exe`), "linux"), name);
  }
});
