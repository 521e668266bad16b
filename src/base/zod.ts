/**
 * Exports the part of zod/mini that authd uses, and two words of its own. The build makes one file of it, without the
 * rest: zod whole takes some 8 MB more of an idle daemon's memory, most of it messages in forty languages, the rest
 * methods of schemas.
 */
import { en } from "zod/locales";
import { clone, config, globalRegistry, minLength, string, type ZodMiniType } from "zod/mini";

config(en());

/** A text that is not empty. */
export const nonEmpty = string().check(minLength(1));

/** Returns a schema like this one, with a description for its JSON Schema. */
export function described<Schema extends ZodMiniType>(schema: Schema, description: string): Schema {
  const copy = clone(schema, schema.def);
  globalRegistry.add(copy, { description });
  return copy;
}

export type { core, infer, output } from "zod/mini";
export {
  _default,
  array,
  boolean,
  catch,
  custom,
  enum,
  exactOptional,
  extend,
  int,
  iso,
  json,
  maximum,
  maxLength,
  minimum,
  minLength,
  nonnegative,
  nullable,
  number,
  object,
  optional,
  partial,
  pipe,
  positive,
  record,
  refine,
  regex,
  strictObject,
  string,
  superRefine,
  toJSONSchema,
  toLowerCase,
  transform,
  union,
  url,
  ZodMiniDefault,
  ZodMiniObject,
  ZodMiniOptional,
  ZodMiniPipe,
  ZodMiniType,
  ZodMiniUnion,
} from "zod/mini";
