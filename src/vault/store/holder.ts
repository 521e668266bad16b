/**
 * Who has a lease, or has opened an intent: a host by its name, and which of its vault folders it has. A host that
 * comes back by the same name with other folders has not got what the one before it was doing.
 */

/** `instance` is the id of a vault's folder. */
export const holderOf = (host: string, instance: string) => `${host}/${instance}`;

/** Returns the name of the holder's host; an earlier authd wrote that alone. */
export const hostOfHolder = (holder: string) => holder.split("/", 1)[0]!;
