/** Shows a person what they need to sign in: a link whole on one line, or a code. */
import { hasScreen, openBrowser } from "../../base/open-browser.ts";
import type { LoginStarted } from "../../protocol.ts";
import { columns, print } from "../output.ts";
import { type Paint, painter, plain } from "../style.ts";
import { qrCode } from "./qr-code.ts";

/** Links go to stdout, each alone on its line; all other words to stderr. */
export async function showLogin(name: string, started: LoginStarted, opens: boolean) {
  const paint = painter(process.stderr);
  const { how, url, userCode, verificationUri } = started;
  if (how === "device" && userCode !== undefined && verificationUri !== undefined) {
    say(`${paint("bold", name)}: open this address on any device, and enter the code there.`);
    print(plain(verificationUri));
    say(`Code: ${paint("bold", plain(userCode))}`);
    await showQrCode(started, paint);
  } else if (url !== undefined && how === "paste") {
    say(`${paint("bold", name)}: open this address in any browser and sign in.`);
    print(plain(url));
    say("The browser ends at a page that it can't show. Copy the address of that page.");
  } else if (url !== undefined) {
    say(`${paint("bold", name)}: ${await browserWords(url, opens && !started.joined)}`);
    print(plain(url));
  }
}

async function browserWords(url: string, opens: boolean): Promise<string> {
  if (!opens || !hasScreen(process.env)) return "open this address in a browser here and sign in.";
  return (await openBrowser(url, process.env))
    ? "sign in in the browser that has just opened. If none has, open this address:"
    : "no browser could be opened; open this address in one on this machine (elsewhere it can't end: give --device or --paste).";
}

async function showQrCode(started: LoginStarted, paint: Paint): Promise<void> {
  const { verificationUri, verificationUriComplete = verificationUri } = started;
  if (verificationUriComplete === undefined || process.stderr.isTTY !== true) return;
  const lines = await qrCode(verificationUriComplete, process.stderr.columns || columns(), paint);
  if (lines.length > 0) say(...lines);
}

export function say(...lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}
