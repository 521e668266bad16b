import test from "ava";
import { generatedValues } from "../../src/grants/generated-values.ts";

test("a moment in the spellings that sign-ins ask for", (t) => {
  // The date of RFC 9110 section 5.6.7, and 89 ms.
  const { uuid, ...times } = generatedValues(Date.UTC(1994, 10, 6, 8, 49, 37, 89) + 0.4);
  t.deepEqual(times, {
    now: "784111777",
    now_ms: "784111777089",
    now_iso: "1994-11-06T08:49:37Z",
    now_iso_ms: "1994-11-06T08:49:37.089Z",
    now_basic: "19941106T084937Z",
    now_digits: "19941106084937",
    now_date: "1994-11-06",
    now_http: "Sun, 06 Nov 1994 08:49:37 GMT",
  });
  t.regex(uuid ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
