-- The tables of a store that several daemons share: psql -f store.sql DATABASE, as the role that is to
-- own them, or owns those of an earlier authd, which it brings up to date. The daemons' role needs no more than:
--   GRANT USAGE ON SCHEMA authd TO ROLE;
--   GRANT SELECT ON ALL TABLES IN SCHEMA authd TO ROLE;
--   GRANT UPDATE ON authd.clock TO ROLE;
--   GRANT INSERT, UPDATE, DELETE ON authd.record, authd.host, authd.invite TO ROLE;

BEGIN;

CREATE SCHEMA IF NOT EXISTS authd;

-- The versions of these tables, as authd has made them.
CREATE TABLE IF NOT EXISTS authd.migration (
  version integer PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $migration$ BEGIN
IF NOT EXISTS (SELECT FROM authd.migration WHERE version = 1) THEN

-- Numbers the commits of all records, in their order; names the key that seals them.
CREATE TABLE authd.clock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  change bigint NOT NULL DEFAULT 0,
  key_id text
);
INSERT INTO authd.clock DEFAULT VALUES;

-- One row for each credential. The payload is sealed; a removed one is null.
CREATE TABLE authd.record (
  name text PRIMARY KEY,
  epoch bigint NOT NULL,
  version bigint NOT NULL DEFAULT 0,
  payload bytea,
  change bigint NOT NULL DEFAULT 0,
  committed_by text,
  committed_at timestamptz,
  lease_holder text,
  lease_until timestamptz,
  intent_holder text,
  intent_epoch bigint,
  intent_hash text,
  intent_opened timestamptz,
  intent_deadline timestamptz
);
CREATE INDEX record_change ON authd.record (change);

-- The hosts that share the records, each with the key of the records wrapped for it alone.
CREATE TABLE authd.host (
  name text PRIMARY KEY,
  public_key bytea NOT NULL,
  wrapped_key bytea NOT NULL,
  joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Invitations of further hosts, each good for one. The key is wrapped with what only the invitation says.
CREATE TABLE authd.invite (
  id text PRIMARY KEY,
  wrapped_key bytea NOT NULL,
  expires_at timestamptz NOT NULL
);

INSERT INTO authd.migration (version) VALUES (1);
END IF;
END $migration$;

DO $migration$ BEGIN
IF NOT EXISTS (SELECT FROM authd.migration WHERE version = 2) THEN

-- What the server has been through, as all hosts know it, and a mark while the store lacks what hosts have, as it
-- was put back to an earlier moment. Of each host: the recovery in which it has put back what it had.
ALTER TABLE authd.clock ADD COLUMN timeline text, ADD COLUMN set_back text;
ALTER TABLE authd.host ADD COLUMN told text;

INSERT INTO authd.migration (version) VALUES (2);
END IF;
END $migration$;

COMMIT;
