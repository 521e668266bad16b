import test from "ava";
import { procField } from "../../src/base/proc-field.ts";

test("a field is a line's, whatever a process calls itself", (t) => {
  for (const end of ["\r", "\u2028", "\u2029"]) {
    const status = `Name:\t${end}TracerPid:\t0\nPid:\t7\nTracerPid:\t4711\n`;
    t.is(procField(status, "TracerPid"), "4711");
  }
  t.is(procField("PPid:\t1\nPid:\t7\n", "Pid"), "7");
  t.is(procField("Pid:\n", "Pid"), "");
  t.is(procField("Name:\tPid:\n", "Pid"), undefined);
});
