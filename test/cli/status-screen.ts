import test from "ava";
import { bar, frame, remaining, type View } from "../../src/cli/status-screen.ts";
import { painter, width } from "../../src/cli/style.ts";
import type { CredentialInfo } from "../../src/protocol.ts";

const NOW = Date.UTC(2026, 5, 1);
const bare = painter({ isTTY: false }, {});

const info = (more: Partial<CredentialInfo> = {}): CredentialInfo => ({
  name: "labelf",
  grant: "client_credentials",
  preset: "labelf",
  state: "ready",
  expiresAt: NOW + 30_000,
  refreshAt: NOW + 15_000,
  lastRefreshAt: NOW - 30_000,
  refreshCount: 1,
  failureCount: 0,
  origins: [],
  ...more,
});

const view = (...credentials: CredentialInfo[]): View => ({ credentials });

test("a token's remaining life is the share of what it began with", (t) => {
  t.is(remaining(info(), NOW), 0.5);
  t.is(remaining(info({ expiresAt: NOW - 1 }), NOW), 0);
  t.is(remaining(info({ expiresAt: null }), NOW), undefined);
  const { lastRefreshAt: _, ...unknown } = info();
  t.is(remaining(unknown, NOW), 1);
});

test("the bar is filled to an eighth of a character", (t) => {
  t.is(bar(1, 4, bare), "████");
  t.is(bar(0, 4, bare), "····");
  t.is(bar(0.5, 4, bare), "██··");
  t.is(bar(0.53, 4, bare), "██▏·");
  t.is(bar(undefined, 4, bare), "····");
});

test("status --watch shows bar, time left, next refresh and the last error", (t) => {
  const failing = info({
    name: "zebbra",
    state: "failing",
    retryAt: NOW + 5_000,
    lastError: { reason: "issuer_unavailable", message: "no\x1b[2J answer", at: NOW },
  });
  const lines = frame(view(info(), failing), NOW, { columns: 100, rows: 24 }, bare);
  t.regex(lines.find((line) => line.startsWith("labelf"))!, /● ready +█+·+ +30 s +in 15 s/);
  t.regex(lines.find((line) => line.startsWith("zebbra"))!, /▲ failing .* in 5 s/);
  t.true(lines.includes("  └ no answer"));
});

test("the picture fits the terminal, however small", (t) => {
  const many = Array.from({ length: 50 }, (_, index) => info({ name: `credential-${index}` }));
  for (const [columns, rows] of [
    [80, 24],
    [100, 10],
    [200, 60],
    [80, 4],
  ] as const) {
    const lines = frame(view(...many), NOW, { columns, rows }, bare);
    t.true(lines.length <= rows, `${lines.length} lines in ${rows}`);
    t.true(Math.max(...lines.map(width)) <= columns, `${columns} columns`);
  }
});

test("a daemon that went away is told, and what was known stays", (t) => {
  const gone = { ...view(info()), problem: "No daemon answers" };
  const lines = frame(gone, NOW, { columns: 80, rows: 24 }, bare);
  t.true(lines.includes("No daemon answers"));
  t.true(lines.some((line) => line.startsWith("labelf")));
});
