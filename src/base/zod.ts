/**
 * Exports the part of zod that authd uses. The build makes this one file of it, without the rest: zod whole
 * takes 6 MB more of an idle daemon's memory, most of it messages in forty languages.
 */

export type { core, infer, output } from "zod";
export {
  array,
  boolean,
  custom,
  enum,
  int,
  iso,
  json,
  number,
  object,
  record,
  strictObject,
  string,
  toJSONSchema,
  union,
  url,
  ZodDefault,
  ZodObject,
  ZodOptional,
  ZodPipe,
  ZodType,
  ZodUnion,
} from "zod";
