/**
 * A value that belongs to an object of somebody else and ends with it, as in a WeakMap. It is kept as a
 * property of the object: the garbage collector goes through a WeakMap entry by entry, which tells where
 * objects live for one call.
 */
export class Attachment<Value> {
  readonly #key = Symbol();

  of(owner: object): Value | undefined {
    return (owner as { [key: symbol]: Value | undefined })[this.#key];
  }

  set(owner: object, value: Value): Value {
    (owner as { [key: symbol]: Value })[this.#key] = value;
    return value;
  }
}
