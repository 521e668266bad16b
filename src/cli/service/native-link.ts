/** Puts the native command on the PATH, if it was built, and takes it off again. */
import { existsSync } from "node:fs";
import { messageOf } from "../../errors.ts";
import type { Launch } from "../../service/launch.ts";
import {
  linkNative,
  nativeLinkPath,
  nativeLinkState,
  recordNodeCommand,
  unlinkNative,
} from "../../service/native-link.ts";
import { NAMES } from "../names.ts";
import type { ServiceIo } from "./steps.ts";

/** The command's own name, and the others that stand for words of it. */
const LINKS = ["authd", ...Object.keys(NAMES)];

/** Links the native command into ~/.local/bin by each of its names. What is in the way stays. */
export function addNativeLinks(launch: Launch, io: ServiceIo): void {
  if (!existsSync(io.native)) return;
  try {
    recordNodeCommand(io.native, launch);
  } catch (error) {
    io.complain(`${io.native} can't be told where Node is: ${messageOf(error)}`);
    return;
  }
  for (const name of LINKS) addLink(nativeLinkPath(io.env, name), io);
}

function addLink(link: string, io: ServiceIo): void {
  try {
    const state = nativeLinkState(link, io.native);
    if (state === "foreign") {
      io.complain(`Left ${link} alone: it is not a link to the native command, ${io.native}.`);
    } else if (state === "absent") {
      linkNative(link, io.native);
      io.say(`Linked ${link} to the native command.`);
    }
  } catch (error) {
    io.complain(`${link} can't lead to the native command: ${messageOf(error)}`);
  }
}

/** Removes the links that lead to the native command. */
export function removeNativeLinks(io: ServiceIo): void {
  for (const name of LINKS) {
    const link = nativeLinkPath(io.env, name);
    if (unlinkNative(link, io.native)) io.say(`Removed ${link}`);
  }
}
