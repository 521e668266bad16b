/** The statements of the store, each one a compare-and-set in a transaction of its own. */

const ms = (column: string) => `floor(extract(epoch from ${column}) * 1000)::float8`;
/**
 * What the server has been through: its timeline, which every promotion of a standby begins anew, and the table,
 * which is another one where a dump was restored. A standby itself answers nothing.
 */
export const TIMELINE =
  "(left(pg_walfile_name(pg_current_wal_lsn()), 8) || '-' || 'authd.clock'::regclass::oid)";
/** The store was put back to an earlier moment, and hosts have not told yet that it has all that they have. */
const IS_SET_BACK = `(k.set_back IS NOT NULL OR k.timeline <> ${TIMELINE})`;
/** Names the recovery from that; null: there is none. */
const SET_BACK = `(SELECT concat_ws('>', k.set_back, k.timeline, ${TIMELINE}) FROM authd.clock k WHERE ${IS_SET_BACK})`;
const IS_WHOLE = `NOT EXISTS (SELECT FROM authd.clock k WHERE ${IS_SET_BACK})`;
const NOW = `${ms("clock_timestamp()")} AS now_ms, ${TIMELINE} AS timeline, ${SET_BACK} AS set_back`;
const lasting = (parameter: string) =>
  `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`;

const COLUMNS = [
  "r.name, r.epoch::float8 AS epoch, r.version::float8 AS version, r.payload, r.committed_by",
  `${ms("r.committed_at")} AS committed_ms, r.lease_holder, ${ms("r.lease_until")} AS lease_until_ms`,
  "r.intent_holder, r.intent_epoch::float8 AS intent_epoch, r.intent_hash",
  `${ms("r.intent_opened")} AS intent_opened_ms, ${ms("r.intent_deadline")} AS intent_deadline_ms`,
].join(", ");

const NO_LEASE = "lease_holder = NULL, lease_until = NULL";
const INTENT = ["holder", "epoch", "hash", "opened", "deadline"].map((what) => `intent_${what}`);
const NO_INTENT = INTENT.map((column) => `${column} = NULL`).join(", ");
/** Closes the intent where the condition holds. */
const noIntentIf = (condition: string) =>
  INTENT.map((column) => `${column} = CASE WHEN ${condition} THEN NULL ELSE r.${column} END`).join(
    ", ",
  );

/** True of a record that lacks what is to be put back: a version, or the intent of one. */
const isEarlier = (version: string, intent: string) =>
  `(r.version < ${version} OR (r.version = ${version} AND r.intent_hash IS NULL AND ${intent} IS NOT NULL))`;

/** The channel of notices: each is the name of a record. */
export const CHANNEL = "authd";

/** A row as the statements return it. */
export interface Row {
  now_ms: number;
  timeline: string | null;
  set_back: string | null;
  name: string;
  epoch: number;
  version: number;
  payload: Buffer | null;
  committed_by: string | null;
  committed_ms: number | null;
  lease_holder: string | null;
  lease_until_ms: number | null;
  intent_holder: string | null;
  intent_epoch: number | null;
  intent_hash: string | null;
  intent_opened_ms: number | null;
  intent_deadline_ms: number | null;
}

/** $1 name. One row, whether or not there is a record. */
export const READ = `
SELECT ${NOW}, ${COLUMNS} FROM (SELECT 1) AS one LEFT JOIN authd.record r ON r.name = $1`;

/** One row, in one snapshot with CHANGED. $1 change. */
export const CHANGED = `
SELECT ${NOW}, c.change::float8 AS change, ${COLUMNS} FROM authd.clock c LEFT JOIN authd.record r
  ON r.version > 0 AND r.change > CASE WHEN $1::bigint > c.change THEN -1 ELSE $1::bigint END`;

/** $1 name, $2 epoch, $3 holder, $4 ms. */
export const ACQUIRE = `
INSERT INTO authd.record AS r (name, epoch, lease_holder, lease_until)
SELECT $1, 1, $3, ${lasting("$4")}
  WHERE ($2::bigint = 0 OR EXISTS (SELECT FROM authd.record WHERE name = $1)) AND ${IS_WHOLE}
ON CONFLICT (name) DO UPDATE
  SET epoch = r.epoch + 1, lease_holder = $3, lease_until = ${lasting("$4")}
  WHERE r.epoch = $2::bigint
    AND (r.lease_until IS NULL OR r.lease_until <= clock_timestamp() OR r.lease_holder = $3)
RETURNING ${NOW}, ${COLUMNS}`;

/** $1 name, $2 epoch, $3 ms. */
export const RENEW = `
UPDATE authd.record r SET lease_until = ${lasting("$3")}
  WHERE name = $1 AND epoch = $2::bigint AND lease_holder IS NOT NULL
RETURNING ${NOW}, ${COLUMNS}`;

/** $1 name, $2 epoch, $3 hash, $4 ms. */
export const INTEND = `
UPDATE authd.record r SET intent_holder = lease_holder, intent_epoch = epoch, intent_hash = $3,
    intent_opened = least(intent_opened, clock_timestamp()), intent_deadline = ${lasting("$4")},
    lease_until = greatest(lease_until, ${lasting("$4")})
  WHERE name = $1 AND epoch = $2::bigint AND lease_until > clock_timestamp() AND ${IS_WHOLE}
RETURNING ${NOW}, ${COLUMNS}`;

/**
 * $1 name, $2 epoch, $3 version, $4 payload, $5 holder, $6 key, $7 whether it settles. Until this ends no other commit gets a number, so
 * that they become visible in the order of their numbers.
 */
export const COMMIT = `
WITH tick AS (
    UPDATE authd.clock SET change = change + 1 WHERE key_id IS NOT DISTINCT FROM $6::text
    RETURNING change),
  done AS (
    UPDATE authd.record r SET version = version + 1, payload = $4, committed_by = $5,
        committed_at = clock_timestamp(), change = (SELECT change FROM tick), ${NO_LEASE},
        ${noIntentIf("$7::boolean")}
      WHERE name = $1 AND epoch = $2::bigint AND version = $3::bigint AND EXISTS (SELECT FROM tick)
    RETURNING ${NOW}, ${COLUMNS})
SELECT done.*, pg_notify('${CHANNEL}', done.name) FROM done`;

const restored = (column: string, value = `excluded.${column}`) =>
  `${column} = CASE WHEN $7::text IS NOT NULL THEN ${value}
          WHEN $10::boolean AND r.intent_hash IS DISTINCT FROM $11::text THEN NULL ELSE r.${column} END`;

/**
 * $1 name, $2 epoch, $3 version, $4 payload, $5 holder, $6 key, $7 digest of an intent or null, $8 its ms, $9 its holder,
 * $10 whether it settles, $11 digest of the token or null.
 */
export const RESTORE = `
WITH tick AS (
    UPDATE authd.clock SET change = change + 1 WHERE key_id = $6::text
      AND NOT EXISTS (SELECT FROM authd.record r WHERE name = $1 AND NOT ${isEarlier("$3::bigint", "$7::text")})
    RETURNING change),
  done AS (
    INSERT INTO authd.record AS r (name, epoch, version, payload, change, committed_by, committed_at,
        intent_holder, intent_epoch, intent_hash, intent_opened, intent_deadline)
    SELECT $1, $2::bigint + 1, $3::bigint, $4, change, $5, clock_timestamp(),
        $9::text, CASE WHEN $7::text IS NOT NULL THEN $2::bigint + 1 END, $7::text,
        CASE WHEN $7::text IS NOT NULL THEN to_timestamp(0) END, ${lasting("$8")}
      FROM tick
    ON CONFLICT (name) DO UPDATE
      SET epoch = greatest(r.epoch + 1, excluded.epoch), version = excluded.version, payload = $4,
        change = excluded.change, committed_by = $5, committed_at = clock_timestamp(), ${NO_LEASE},
        ${restored("intent_holder")}, ${restored("intent_epoch", "greatest(r.epoch + 1, excluded.epoch)")},
        ${restored("intent_hash")}, ${restored("intent_opened")}, ${restored("intent_deadline")}
      WHERE ${isEarlier("excluded.version", "excluded.intent_hash")}
    RETURNING ${NOW}, ${COLUMNS})
SELECT done.*, pg_notify('${CHANNEL}', done.name) FROM done`;

const release = (more: string) => `
WITH done AS (
    UPDATE authd.record r SET ${NO_LEASE}${more} WHERE name = $1 AND epoch = $2::bigint
    RETURNING ${NOW}, ${COLUMNS})
SELECT done.*, pg_notify('${CHANNEL}', done.name) FROM done`;

/** $1 name, $2 epoch. */
export const RELEASE = release("");
/** $1 name, $2 epoch. */
export const SETTLE = release(`, ${NO_INTENT}`);

export const HOSTS = `
SELECT ${NOW}, c.key_id, h.name, h.public_key, h.wrapped_key, ${ms("h.seen_at")} AS seen_ms, h.told
  FROM authd.clock c LEFT JOIN authd.host h ON true ORDER BY h.name`;

/**
 * $1 name, $2 public key, $3 wrapped key. A host that is new has nothing to put back; until the others have told,
 * times are those that the server had before.
 */
const PUT_ROW = `
INSERT INTO authd.host (name, public_key, wrapped_key, told, seen_at)
SELECT $1, $2, $3, ${SET_BACK},
    CASE WHEN ${IS_WHOLE} THEN clock_timestamp()
      ELSE coalesce((SELECT max(seen_at) FROM authd.host), clock_timestamp()) END`;
const REPLACE_ROW = `
ON CONFLICT (name) DO UPDATE
  SET public_key = $2, wrapped_key = $3`;
/** Within a replacement. */
export const PUT_MEMBER = `${PUT_ROW}${REPLACE_ROW}`;
/** $4 key before, $5 key after. */
export const PUT_HOST = `
WITH tick AS (
    UPDATE authd.clock SET key_id = $5 WHERE key_id IS NOT DISTINCT FROM $4::text RETURNING key_id)
${PUT_ROW} WHERE EXISTS (SELECT FROM tick)${REPLACE_ROW}
RETURNING name`;

/** $1 name. The first host tells the timeline that all know from then on. */
export const SEEN = `
WITH first AS (
    UPDATE authd.clock SET timeline = ${TIMELINE} WHERE timeline IS NULL AND ${TIMELINE} IS NOT NULL)
UPDATE authd.host SET seen_at = clock_timestamp() WHERE name = $1 AND ${IS_WHOLE}`;

/** $1 name, $2 recovery. */
export const TOLD = "UPDATE authd.host SET told = $2 WHERE name = $1";

/** $1 a mark that is no other's. */
export const MARK_SET_BACK = `
UPDATE authd.clock SET set_back = $1::text WHERE ${IS_WHOLE}`;

/** $1 recovery. */
export const SETTLE_ALL = `
UPDATE authd.clock SET set_back = NULL, timeline = coalesce(${TIMELINE}, timeline) WHERE ${SET_BACK} = $1::text`;

/** $1 id, $2 wrapped key, $3 ms. */
export const INVITE = `
INSERT INTO authd.invite (id, wrapped_key, expires_at) VALUES ($1, $2, ${lasting("$3")})`;

/** $1 id. Those that have ended go with it. */
export const TAKE_INVITE = `
DELETE FROM authd.invite WHERE id = $1 OR expires_at <= clock_timestamp()
RETURNING id, wrapped_key, expires_at > clock_timestamp() AS open`;

/** The steps of a replacement, in one transaction. $1 key before, $2 key after. */
export const REPLACE_KEY = `
UPDATE authd.clock SET key_id = $2, change = change + 1 WHERE key_id IS NOT DISTINCT FROM $1::text
RETURNING change::float8 AS change`;
const SAME = "$6::boolean AND excluded.payload IS NOT NULL";
/** See holder.ts. */
const hostOf = (column: string) => `split_part(${column}, '/', 1)`;
const LEASED = `coalesce(r.lease_until > clock_timestamp() AND ${hostOf("r.lease_holder")} = ANY($7::text[]), false)`;
const FREED = `${SAME} AND NOT ${LEASED}`;
const SPENDING = `coalesce(r.payload IS NOT NULL AND r.intent_deadline > clock_timestamp() AND ${hostOf("r.intent_holder")} <> ALL($7::text[]), false)`;
/** $1 names of those that stay. */
export const NO_MEMBERS = "DELETE FROM authd.host WHERE name <> ALL($1::text[])";
export const NO_INVITES = "DELETE FROM authd.invite";

/**
 * $1 names, $2 versions, $3 payloads, $4 holder, $5 change, $6 whether versions stay, $7 names of the hosts that stay, $8
 * whether nothing is replaced while others may spend a refresh token. As many rows as there are names, or it is undone.
 */
export const REPLACE_RECORDS = `
INSERT INTO authd.record AS r (name, epoch, version, payload, change, committed_by, committed_at)
SELECT name, 0, version + 1, payload, $5::bigint, $4, clock_timestamp()
  FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS given (name, version, payload)
  WHERE version = 0 OR EXISTS (SELECT FROM authd.record known WHERE known.name = given.name)
ON CONFLICT (name) DO UPDATE
  SET payload = excluded.payload, change = excluded.change,
    epoch = CASE WHEN ${FREED} THEN r.epoch + 1 ELSE r.epoch END,
    lease_holder = CASE WHEN ${FREED} THEN NULL ELSE r.lease_holder END,
    lease_until = CASE WHEN ${FREED} THEN NULL ELSE r.lease_until END,
    version = CASE WHEN ${SAME} THEN r.version ELSE excluded.version END,
    committed_by = CASE WHEN ${SAME} THEN r.committed_by ELSE excluded.committed_by END,
    committed_at = CASE WHEN ${SAME} THEN r.committed_at ELSE excluded.committed_at END,
    ${noIntentIf("NOT $6::boolean")}
  WHERE r.version + 1 = excluded.version AND NOT ($8::boolean AND ${SPENDING})
RETURNING name`;

/** $1 change. Those that were left out are still sealed with the key of before. */
export const LEFT_OUT = `
SELECT name FROM authd.record WHERE payload IS NOT NULL AND change <> $1::bigint LIMIT 1`;
