/** Asks for the settings that a preset or a grant needs. */
import { referenced } from "../../base/template.ts";
import * as z from "../../base/zod.ts";
import type { PresetField } from "../../config/preset.ts";
import type { Grant } from "../../grants/grant.ts";
import { type GrantName, grants } from "../../grants/index.ts";
import { knownPreset } from "../known-presets.ts";
import { painter, plain } from "../style.ts";
import type { Answers } from "./answers.ts";
import { askDestinations } from "./destinations.ts";
import { askExchange } from "./exchange.ts";

/** `all`: also what it can do without. */
export async function askSettings(answers: Answers, all: boolean): Promise<void> {
  const { kind } = answers;
  if ("preset" in kind) return await askPreset(answers, kind.preset);
  const grant = kind.grant as GrantName;
  await askGrant(answers, grants[grant], all);
  if (grant === "exchange") await askExchange(answers, all);
  if (all) await askDestinations(answers, grant === "exchange" || grant === "static");
}

/** Says first where a person finds what is asked for. */
async function askPreset(answers: Answers, name: string): Promise<void> {
  const { title, keys, fields } = knownPreset(name);
  const paint = painter(process.stderr);
  const url = keys.url ? ` ${paint("cyan", keys.url)}` : "";
  if (!answers.again) process.stderr.write(`${paint("bold", title)}: ${plain(keys.hint)}${url}\n`);
  for (const field of fields) {
    const hasDefault = field.default !== undefined && !answers.has(field.name);
    if (field.secret || hasDefault || isReplaced(field, fields, answers)) continue;
    await askField(answers, field);
  }
}

async function askField(answers: Answers, field: PresetField): Promise<void> {
  const { name, label, hint, choices, optional } = field;
  if (!choices) return await answers.ask(name, { label, hint, optional });
  const options = Object.keys(choices).map((value) => ({ value, label: value }));
  await answers.choose(name, label, options);
}

/** A region is not needed where the URL that follows from it is given. */
function isReplaced({ name }: PresetField, fields: readonly PresetField[], answers: Answers) {
  const needing = fields.filter((each) => referenced(each.default ?? "", [name]).length > 0);
  return needing.length > 0 && needing.every((each) => answers.has(each.name));
}

/** Keys that many issuers want, although a grant can do without. */
const OFTEN_WANTED = ["client_id", "scope"];

const ISSUER = "The issuer's URL, such as https://login.example.com";

/** Asks where the issuer is: by its own URL, which is enough, or by each address. */
async function askAddresses(
  answers: Answers,
  keys: readonly string[],
  { signsIn }: Grant,
): Promise<void> {
  if (answers.has("issuer") && !answers.again) return;
  if (!signsIn) {
    const hint = "The token endpoint's URL. Empty: you give the issuer's, which names it.";
    await answers.ask("token_url", { label: "token_url", hint, optional: true });
    if (!answers.has("token_url")) await answers.ask("issuer", { label: "issuer", hint: ISSUER });
    return;
  }
  const first = keys.includes("authorization_url") ? "authorization_url" : "device_url";
  if (answers.has(first)) return;
  const hint = `${ISSUER}. Empty: you give its addresses.`;
  await answers.ask("issuer", { label: "issuer", hint, optional: true });
  if (answers.has("issuer")) return;
  for (const key of [first, "token_url"]) await answers.ask(key, { label: key });
}

/** A grant's own keys that are plain text. */
async function askGrant(answers: Answers, grant: Grant, all: boolean): Promise<void> {
  const { schema, signsIn } = grant;
  const { properties = {}, required = [] } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
  });
  if (Object.hasOwn(properties, "issuer"))
    await askAddresses(answers, Object.keys(properties), grant);
  const wanted = all ? OFTEN_WANTED.filter((key) => Object.hasOwn(properties, key)) : [];
  for (const key of new Set([...required, ...wanted])) {
    const property = properties[key];
    if (typeof property !== "object" || property.type !== "string") continue;
    const optional = !required.includes(key);
    const hint = [property.description, optional && "Empty: none."].filter(Boolean).join(" ");
    await answers.ask(key, { label: key, hint, optional });
  }
  if (all && answers.has("client_id") && !signsIn) await askClientAuth(answers);
}

async function askClientAuth(answers: Answers): Promise<void> {
  await answers.choose("client_auth", "How does the client prove who it is?", [
    { value: "", label: "by a header, as RFC 6749 says", hint: "client_auth = basic" },
    { value: "post", label: "in the form", hint: "client_auth = post" },
    { value: "basic_raw", label: "by a header that is not form-encoded", hint: "basic_raw" },
    { value: "none", label: "not at all: a public client without a secret", hint: "none" },
  ]);
}
