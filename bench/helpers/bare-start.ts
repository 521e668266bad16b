/**
 * As little as bare Node can do before it could serve the same credentials: parses every credential
 * file and opens every sealed one, then says that it is ready.
 *
 *   node bare-start.js CONFIG_DIR STATE_DIR
 */
import { createDecipheriv } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { ready } from "./ready.ts";

const [configDir = "", stateDir = ""] = process.argv.slice(2);
const vault = join(stateDir, "vault");
const key = Buffer.from(readFileSync(join(vault, "key"), "utf8").trim(), "base64");
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const settings = new Map<string, unknown>();
const records = new Map<string, unknown>();
for (const file of readdirSync(join(configDir, "credentials"))) {
  const name = file.replace(/\.toml$/, "");
  settings.set(name, parse(readFileSync(join(configDir, "credentials", file), "utf8")));
}
for (const file of readdirSync(vault)) {
  const name = file.replace(/\.sealed$/, "");
  if (name === file || !settings.has(name)) continue;
  records.set(name, JSON.parse(open(name, readFileSync(join(vault, file))).toString()));
}
if (records.size !== settings.size)
  throw new Error(`${settings.size} files, ${records.size} records`);
ready();

function open(name: string, file: Buffer): Buffer {
  const end = file.indexOf(10) + 1;
  const nonce = file.subarray(end, end + NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  const label = Buffer.from(`authd sealed file\n${name}\n`);
  decipher.setAAD(Buffer.concat([label, file.subarray(0, end - 1)]));
  decipher.setAuthTag(file.subarray(-TAG_BYTES));
  return Buffer.concat([
    decipher.update(file.subarray(end + NONCE_BYTES, -TAG_BYTES)),
    decipher.final(),
  ]);
}
