import test from "ava";
import { formField } from "../../src/grants/form-field.ts";

test("a field's value is found however the page writes it", (t) => {
  const page = `<meta name="csrf-token" content='m&quot;1'>
    <form><INPUT TYPE="hidden" NAME="a" VALUE="1"><input name=b value=2 /><input value="" name="c">
    <input name="a" value="later"><button name="go" value="x&#x41;&#66;">Go</button></form>`;
  t.is(formField(page, "csrf-token"), 'm"1');
  t.is(formField(page, "a"), "1");
  t.is(formField(page, "b"), "2");
  t.is(formField(page, "c"), "");
  t.is(formField(page, "go"), "xAB");
  t.is(formField(page, "missing"), undefined);
});

test("what looks like a field elsewhere is none, and a page without end takes no time", (t) => {
  t.is(formField('<div name="a" value="1">', "a"), undefined);
  t.is(formField('<input data-name="a" value="1">', "a"), undefined);
  t.is(formField("<input ".repeat(100_000), "a"), undefined);
  t.is(formField(`<input ${'a="'.repeat(300_000)}`, "a"), undefined);
});
