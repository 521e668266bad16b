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
import type { ServiceIo } from "./steps.ts";

/** Links the native command into ~/.local/bin. What is in the way stays. */
export function addNativeLink(launch: Launch, io: ServiceIo): void {
  if (!existsSync(io.native)) return;
  const link = nativeLinkPath(io.env);
  try {
    recordNodeCommand(io.native, launch);
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

/** Removes the link, if it leads to the native command. */
export function removeNativeLink(io: ServiceIo): void {
  const link = nativeLinkPath(io.env);
  if (unlinkNative(link, io.native)) io.say(`Removed ${link}`);
}
