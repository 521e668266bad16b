// Lets one process at a time do something: the others wait for their turn.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Waits until `file` is ours; returns what gives it back. Who was killed is not waited for. */
export async function takeTurn(file) {
  while (!claims(file)) {
    if (isGone(ownerOf(file))) rmSync(file, { force: true });
    else await sleep(100);
  }
  const release = () => {
    process.removeListener("exit", release);
    rmSync(file, { force: true });
  };
  process.on("exit", release);
  return release;
}

function claims(file) {
  try {
    writeFileSync(file, `${process.pid}`, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function ownerOf(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return 0;
    throw error;
  }
}

/** 0: the file was given back just now, or its owner has not written into it yet. */
function isGone(pid) {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}
