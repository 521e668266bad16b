import test from "ava";
import {
  headerValue,
  missing,
  percent,
  referenced,
  render,
  renderPartly,
} from "../../src/base/template.ts";
import { AuthdError } from "../../src/errors.ts";

test("only declared names are replaced, every other brace stays", (t) => {
  const values = { region: "eu", "secret.api_key": "k1" };
  t.is(
    render("https://{region}/{other}/{}/{ region }", values),
    "https://eu/{other}/{}/{ region }",
  );
  t.is(render("{secret.api_key}{secret.other}", values), "k1{secret.other}");
  t.is(render('{"a":{"b":"{region}"}}', values), '{"a":{"b":"eu"}}');
  t.is(render("{{region} {{{region}", values), "{region} {eu");
});

test("directly before a word braces go in pairs, and the odd one opens a placeholder", (t) => {
  const rows = [
    ["{{{guid}}", "{7}"],
    ["{{{{{guid}}}", "{{7}}"],
    ["{{guid}", "{guid}"],
    ["{{{{guid}}", "{{guid}}"],
    ["{{guid:1}", "{guid:1}"],
    ["{guid:1}", "{guid:1}"],
    ["{{}} {{ guid }} {{", "{{}} {{ guid }} {{"],
    ['{{"a":{{{"b":1}}}', '{{"a":{{{"b":1}}}'],
  ] as const;
  for (const [text, filled] of rows) t.is(render(text, { guid: "7" }), filled);
});

test("what is filled in first is no template for what is filled in later", (t) => {
  const later = { token: "t", name: "n" };
  const values = [
    "{token}",
    "{",
    "{{",
    "{{token}",
    "{{{token}",
    '{"a":1}',
    "{{}}",
    "name}",
    "{n:1}",
  ];
  for (const value of values) {
    for (const text of ["{v}", "{{{v}}", "{v}name}", "{v}{token}", "{{token}{v}", "{}{v}{{x}"]) {
      const both = render(renderPartly(text, { v: value }), later);
      t.is(both, render(text, { ...later, v: value }), `${text} with ${value}`);
    }
  }
  t.is(renderPartly('{"a":{b:1}} {token} {{}}', {}), '{"a":{b:1}} {token} {{}}');
});

test("there is no second pass: a value with braces is put in as it is", (t) => {
  t.is(render("{a}{b}", { a: "{b}", b: "{a}$&$1" }), "{b}{a}$&$1");
});

test("names of Object's own members are no declarations", (t) => {
  t.is(render("{constructor}{__proto__}{toString}", {}), "{constructor}{__proto__}{toString}");
});

test("in a URL values are percent-encoded and can't change its path", (t) => {
  t.is(
    render("/a/{x}?q={x}", { x: "ä/ &?#'" }, percent),
    "/a/%C3%A4%2F%20%26%3F%23%27?q=%C3%A4%2F%20%26%3F%23%27",
  );
  for (const x of [".", "..", "\ud800"]) {
    const error = t.throws(() => render("/a/{x}/b", { x }, percent), { instanceOf: AuthdError });
    t.regex(error.message, /field "x"/);
  }
});

test("a header's value can't hold CR, LF, NUL or what no header can carry, and the error does not show it", (t) => {
  t.is(render("Bearer {token}", { token: "abc\tdé" }, headerValue), "Bearer abc\tdé");
  for (const bad of ["\r", "\n", "\0", "\x7f", "€"]) {
    const values = { "secret.api_key": `hidden${bad}` };
    const error = t.throws(() => render("{secret.api_key}", values, headerValue), {
      instanceOf: AuthdError,
    });
    t.is(error.reason, "invalid_params");
    t.regex(error.message, /secret "api_key"/);
    t.false(error.message.includes("hidden"));
  }
});

test("a declared name without a value is an error that names it, and can be looked for first", (t) => {
  const values = { referer: undefined, origin: "https://a.example" };
  t.is(missing("{origin}{referer}", values), "referer");
  t.is(missing("{origin}{unknown}", values), undefined);
  t.throws(() => render("{referer}", values), { message: /field "referer" has no value/ });
});

test("referenced lists the declared names that a text mentions, each once", (t) => {
  t.deepEqual(referenced("{b}{a}{b}{secret.c}{d}", ["a", "b", "secret.c"]), ["b", "a", "secret.c"]);
});
