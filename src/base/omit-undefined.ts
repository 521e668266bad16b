/** `Members` whose possibly undefined members are optional, and never undefined when present. */
type Defined<Members> = {
  [Name in keyof Members as undefined extends Members[Name] ? never : Name]: Members[Name];
} & {
  [Name in keyof Members as undefined extends Members[Name] ? Name : never]?: Exclude<
    Members[Name],
    undefined
  >;
};

/** Returns a copy of `members` without those that are undefined. */
export function omitUndefined<Members extends object>(members: Members): Defined<Members> {
  const defined: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) defined[name] = value;
  }
  return defined as Defined<Members>;
}
