import test from "ava";
import { isInterpreter } from "../src/interpreter.ts";

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
]) {
  test(`runs whatever it is told to: ${program}`, (t) => t.true(isInterpreter(program)));
}

for (const program of [
  "/usr/bin/backup",
  "/usr/bin/rclone",
  "/opt/nodered/bin/nodemailer",
  "/usr/bin/shred",
  "/usr/bin/pythonista",
]) {
  test(`speaks for itself: ${program}`, (t) => t.false(isInterpreter(program)));
}
