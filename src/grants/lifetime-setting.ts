/** The key `lifetime` of a credential file: puts right what an issuer says, or fails to say, about its tokens' life. */
import { didYouMean } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { readsOffset, whyUnfitFormat } from "./date-format.ts";
import { placeSchema } from "./place.ts";
import { isTimeZone } from "./time-zone.ts";

/** Units of numbers, in seconds. */
export const UNITS = {
  ...{ us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3_600, d: 86_400 },
} as const satisfies Record<string, number>;

type Unit = keyof typeof UNITS;

const zone = z.described(
  z.string().check(
    z.superRefine((name, { addIssue }) => {
      if (isTimeZone(name)) return;
      const hint = didYouMean(name, Intl.supportedValuesOf("timeZone"));
      addIssue(`is no time zone such as Europe/Berlin, UTC or +02:00.${hint}`.replace(/\.$/, ""));
    }),
  ),
  "The zone of dates that state none. Default: UTC",
);

const format = z.described(
  z.string().check(
    z.superRefine((text, { addIssue }) => {
      const unfit = whyUnfitFormat(text);
      if (unfit !== undefined) addIssue(unfit);
    }),
  ),
  "How dates are written, if they are ambiguous: MM/DD/YYYY hh:mm:ss A",
);

const table = z
  .partial(
    z.strictObject({
      seconds: z.described(
        z.number().check(z.positive()),
        "Every token lives this long, whatever is said",
      ),
      unit: z.described(
        z.enum(Object.keys(UNITS) as [Unit, ...Unit[]]),
        "The unit of numbers. Default: seconds",
      ),
      from: z.described(
        placeSchema.check(z.refine((place) => place !== "text", "must not be the whole body")),
        "Where the lifetime or the end is: a JSON pointer, header:NAME or cookie:NAME",
      ),
      ...{ format, zone },
      margin: z.described(
        z.number().check(z.positive()),
        "Seconds by which a token counts as ended earlier",
      ),
    }),
  )
  .check(
    z.superRefine((given, { addIssue }) => {
      const unfit = whyUnfit(given);
      if (unfit !== undefined) addIssue(unfit);
    }),
  );

export const lifetimeSchema = z.described(
  z.union([z.enum(["never"]), table]),
  "Overrides how long the issuer says that its tokens live; never: they do not end",
);

type Given = z.output<typeof table>;
export type LifetimeSetting = z.output<typeof lifetimeSchema>;

/** Returns why keys contradict each other, as the end of a sentence; undefined: they do not. */
function whyUnfit({ seconds, unit, from, format, zone, margin }: Given): string | undefined {
  const reading = { unit, from, format, zone };
  const [read] = Object.entries(reading).flatMap(([key, value]) => (value ? [key] : []));
  if (seconds === undefined && read === undefined && margin === undefined) return "says nothing";
  if (seconds !== undefined && read !== undefined) {
    return `has both seconds and ${read}: with seconds, nothing that the issuer says is read`;
  }
  if (seconds !== undefined && margin !== undefined && margin >= seconds) {
    return "has a margin that leaves nothing of its seconds";
  }
  if (unit !== undefined && (format !== undefined || zone !== undefined)) {
    return "has both unit, which is about numbers, and format or zone, which are about dates";
  }
  if (format !== undefined && zone !== undefined && readsOffset(format)) {
    return "has a zone beside a format that reads the offset (Z)";
  }
  return undefined;
}
