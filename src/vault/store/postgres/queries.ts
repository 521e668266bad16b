/** The statements of the store, each one a compare-and-set in a transaction of its own. */

const ms = (column: string) => `floor(extract(epoch from ${column}) * 1000)::float8`;
const NOW = `${ms("clock_timestamp()")} AS now_ms`;
const lasting = (parameter: string) =>
  `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`;

const COLUMNS = [
  "r.name, r.epoch::float8 AS epoch, r.version::float8 AS version, r.payload, r.committed_by",
  `r.lease_holder, ${ms("r.lease_until")} AS lease_until_ms`,
  "r.intent_holder, r.intent_epoch::float8 AS intent_epoch, r.intent_hash",
  `${ms("r.intent_opened")} AS intent_opened_ms, ${ms("r.intent_deadline")} AS intent_deadline_ms`,
].join(", ");

const NO_LEASE = "lease_holder = NULL, lease_until = NULL";
const NO_INTENT =
  "intent_holder = NULL, intent_epoch = NULL, intent_hash = NULL, intent_opened = NULL, intent_deadline = NULL";

/** The channel of notices: each is the name of a record. */
export const CHANNEL = "authd";

/** A row as the statements return it. */
export interface Row {
  now_ms: number;
  name: string;
  epoch: number;
  version: number;
  payload: Buffer | null;
  committed_by: string | null;
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
  WHERE $2::bigint = 0 OR EXISTS (SELECT FROM authd.record WHERE name = $1)
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
    intent_opened = clock_timestamp(), intent_deadline = ${lasting("$4")},
    lease_until = greatest(lease_until, ${lasting("$4")})
  WHERE name = $1 AND epoch = $2::bigint AND lease_until > clock_timestamp()
RETURNING ${NOW}, ${COLUMNS}`;

/**
 * $1 name, $2 epoch, $3 version, $4 payload, $5 holder. Until this ends no other commit gets a number, so
 * that they become visible in the order of their numbers.
 */
export const COMMIT = `
WITH tick AS (UPDATE authd.clock SET change = change + 1 RETURNING change),
  done AS (
    UPDATE authd.record r SET version = version + 1, payload = $4, committed_by = $5,
        committed_at = clock_timestamp(), change = (SELECT change FROM tick), ${NO_LEASE}, ${NO_INTENT}
      WHERE name = $1 AND epoch = $2::bigint AND version = $3::bigint
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
