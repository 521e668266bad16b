import test from "ava";
import { View } from "../../../src/cli/status/view.ts";
import { readyInfo } from "../../helpers/credential-info.ts";

function viewOf(...names: string[]): View {
  const view = new View();
  view.credentials = names.map((name) => readyInfo({ name }));
  return view;
}

const type = (view: View, text: string) => {
  for (const sequence of text) view.press({ sequence, name: sequence });
};
const shown = (view: View) => view.arranged.map(({ name }) => name);

test("/ filters as it is typed, Enter keeps the filter, Escape ends it", (t) => {
  const view = viewOf("labelf", "zebbra", "quake");
  type(view, "/q");
  t.deepEqual(shown(view), ["quake"]);
  t.is(view.press({ name: "backspace" }), undefined);
  t.is(view.arranged.length, 3);
  type(view, "zeb");
  view.press({ name: "return" });
  t.false(view.isTyping);
  t.deepEqual(shown(view), ["zebbra"]);
  view.press({ name: "escape" });
  t.is(view.arranged.length, 3);
});

test("s sorts by the next thing, and comes back to problems", (t) => {
  const view = viewOf("a");
  const sorts = [1, 2, 3, 4].map(() => {
    view.press({ name: "s" });
    return view.sort;
  });
  t.deepEqual(sorts, ["name", "expiry", "last use", "problems"]);
});

test("a selection stays on its credential when the order changes or others come", (t) => {
  const view = viewOf("b", "c");
  view.press({ name: "down" });
  t.is(view.selected?.name, "c");
  view.credentials = ["a", "b", "c", "d"].map((name) => readyInfo({ name }));
  t.is(view.selected?.name, "c");
  view.credentials = [readyInfo({ name: "d" })];
  t.is(view.selected?.name, "d");
});

test("keys ask for what the screen can't do", (t) => {
  const view = viewOf("a");
  t.is(view.press({ name: "return" }), "story");
  t.is(view.press({ name: "r" }), "renew");
  t.is(view.press({ name: "a" }), "approve");
  t.is(view.press({ name: "q" }), "quit");
  t.is(view.press({ name: "c", ctrl: true }), "quit");
});

test("a story is scrolled within its lines, and q leaves it", (t) => {
  const view = viewOf("a");
  view.story = { name: "a", lines: Array(50).fill("x") };
  view.page = 20;
  view.press({ name: "pagedown" });
  t.is(view.top, 20);
  view.press({ name: "end" });
  t.is(view.top, 30);
  view.press({ name: "home" });
  t.is(view.top, 0);
  t.is(view.press({ name: "q" }), undefined);
  t.false(view.story !== undefined);
});
