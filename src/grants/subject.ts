/** Where a subject token comes from, which an issuer exchanges for a token of its own (RFC 8693 section 2.1). */
import { isAbsolute } from "node:path";
import * as z from "../base/zod.ts";
import { placeSchema } from "./place.ts";
import { headersSchema } from "./request-parameters.ts";

/** The name of the subject token among the secrets of one request. */
export const SUBJECT_TOKEN = "subject_token";

const path = (text: string | undefined) =>
  text !== undefined && isAbsolute(text) && !text.includes("\0");

export const subjectSchema = z
  .strictObject({
    file: z
      .string()
      .refine(path, "must be an absolute path")
      .optional()
      .describe("A file, read for each token request."),
    url: z
      .string()
      .optional()
      .describe("An address, such as a cloud's metadata service: asked for each token request."),
    headers: headersSchema
      .optional()
      .describe("Headers of that request; {field} and {secret.name} are filled in."),
    exec: z
      .array(z.string().regex(/^[^\0]*$/, "holds a NUL"))
      .refine(([program]) => path(program), "must begin with a program's absolute path")
      .optional()
      .describe(
        "A program with its arguments, run without a shell for each token request. config.toml must say subject_exec = true.",
      ),
    credential: z
      .string()
      .min(1)
      .optional()
      .describe("Another credential here, whose access token it is."),
    place: placeSchema
      .optional()
      .describe("Where in the file, answer or output the token is. Default: all of the text."),
  })
  .refine(
    ({ file, url, exec, credential }) =>
      [file, url, exec, credential].filter((source) => source !== undefined).length === 1,
    "must have one of file, url, exec and credential",
  )
  .refine(({ url, headers }) => headers === undefined || url !== undefined, {
    path: ["headers"],
    error: "has no use without url",
  })
  .refine(({ credential, place }) => credential === undefined || place === undefined, {
    path: ["place"],
    error: "has no use with credential",
  });

export type Subject = z.output<typeof subjectSchema>;
