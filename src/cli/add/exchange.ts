/** Asks for an exchange step by step: the request that brings a token, and where its answer has it. */
import { namesOf, placeholders } from "../../base/placeholders.ts";
import { askText, choose } from "../prompts.ts";
import type { Answers } from "./answers.ts";

const SECRET = "secret.";
const SECRET_HINT = "{secret.NAME} stands for a secret, which is asked for later";

export async function askExchange(answers: Answers, all: boolean): Promise<void> {
  if (all) await askCount(answers);
  await askRequest(answers, all);
  const named = Object.entries(answers.settings)
    .filter(([key]) => key.startsWith("request."))
    .flatMap(([, value]) => [value].flat())
    .flatMap((text) => placeholders(text).flatMap(namesOf))
    .filter((name) => name.startsWith(SECRET))
    .map((name) => name.slice(SECRET.length));
  if (!answers.has("secrets") && named.length > 0) answers.settings.secrets = [...new Set(named)];
  await askResponse(answers, all);
}

/** Asks whether a sign-in takes several requests, and tells where they are written: questions make one only. */
async function askCount(answers: Answers): Promise<void> {
  if (answers.has("request.url")) return;
  answers.asked++;
  const count = await choose("Does signing in take more than one request?", [
    { value: "one", label: "no, one request brings the token" },
    { value: "more", label: "yes", hint: "a nonce, a session or a form token first" },
  ]);
  if (count === "one") return;
  process.stderr.write(`${SEVERAL}\n`);
}

const SEVERAL =
  "Answer for the request that brings the token. Then authd edit NAME opens the file: [[steps]] in place of [request] lists all of them, see docs/configuration.md, exchange.";

async function askRequest(answers: Answers, all: boolean): Promise<void> {
  await answers.ask("request.url", {
    label: "Which URL does the sign-in go to?",
    hint: `such as https://api.example.com/login; ${SECRET_HINT}`,
  });
  if (!all) return;
  await answers.choose("request.method", "With which method?", [
    { value: "", label: "POST" },
    ...["GET", "PUT", "PATCH"].map((method) => ({ value: method, label: method })),
  ]);
  await askMembers(answers, "request.headers", "header of the sign-in");
  if (answers.settings["request.method"] !== "GET") await askBody(answers);
}

async function askBody(answers: Answers): Promise<void> {
  if (["form", "json", "text"].some((body) => answers.has(`request.${body}`))) return;
  answers.asked++;
  const body = await choose("What is in its body?", [
    { value: "json", label: "JSON" },
    { value: "form", label: "a form" },
    { value: "text", label: "plain text" },
    { value: "none", label: "nothing" },
  ]);
  if (body === "form") return await askMembers(answers, "request.form", "field of the form");
  if (body === "json") await askJson(answers);
  if (body === "text")
    await answers.ask("request.text", { label: "Which text?", hint: SECRET_HINT });
}

async function askJson(answers: Answers): Promise<void> {
  await answers.ask("request.json", {
    label: "Which JSON, on one line?",
    hint: `such as {"user":"me","password":"{secret.password}"}; ${SECRET_HINT}`,
    check: whyNotJson,
    // A document that is a string is stored as what it says.
    read: (text) => (text.startsWith('"') ? String(JSON.parse(text)) : text),
  });
}

function whyNotJson(text: string): string | undefined {
  try {
    const isText = typeof JSON.parse(text) === "string";
    return isText || /^[[{]/.test(text) ? undefined : "An object, a list or a string is wanted.";
  } catch {
    return 'No JSON: names and texts stand in double quotes, such as {"user":"me"}.';
  }
}

/** Asks for names and values until no name is given. */
async function askMembers(answers: Answers, key: string, noun: string): Promise<void> {
  if (answers.has(key)) return;
  for (let article = "A"; ; article = "Another") {
    const label = `${article} ${noun}`;
    const check = (name: string) => answers.whyUnfit(`${key}.${name}`, "x");
    answers.asked++;
    const name = await askText({ label, hint: "its name; empty: no more", optional: true, check });
    if (name === undefined) return;
    await answers.ask(`${key}.${name}`, { label: `Value of ${name}`, hint: SECRET_HINT });
  }
}

async function askResponse(answers: Answers, all: boolean): Promise<void> {
  await answers.ask("response.token", {
    label: "Where in the answer is the token?",
    hint: "a JSON pointer such as /data/token; text: the whole body; header:NAME; cookie:NAME",
    fallback: "/access_token",
  });
  if (!all || answers.has("response.expires_in") || answers.has("response.expires_at")) return;
  answers.asked++;
  const lifetime = await choose("Does the answer say how long it holds?", [
    { value: "", label: "no, or the token says so itself", hint: "a JWT does" },
    { value: "expires_in", label: "yes, as a number of seconds" },
    { value: "expires_at", label: "yes, as a date or a time" },
  ]);
  if (lifetime === "") return;
  await answers.ask(`response.${lifetime}`, {
    label: "Where?",
    hint: "a JSON pointer, header:NAME or cookie:NAME",
    fallback: `/${lifetime}`,
  });
}
