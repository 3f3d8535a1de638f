"""The SQL of the embedded journal, all of it. Change a table and raise SCHEMA_VERSION with a migration beside it."""

SCHEMA_VERSION = 1

CREATE = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY, sample INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, request BLOB NOT NULL,
    state TEXT NOT NULL, owner TEXT, created REAL NOT NULL, updated REAL NOT NULL,
    error_kind TEXT, error TEXT, attempts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, raw BLOB NOT NULL, digest TEXT NOT NULL, model_served TEXT NOT NULL,
    provider_request_id TEXT, fingerprint TEXT, input_tokens INTEGER NOT NULL, cached_input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL, cost_usd REAL,
    latency_ms REAL NOT NULL, attempts INTEGER NOT NULL, batch INTEGER NOT NULL, shape_sent TEXT, stored REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS attempts (
    key TEXT NOT NULL, started REAL NOT NULL, latency_ms REAL NOT NULL, status INTEGER, error_kind TEXT, error TEXT,
    cost_usd REAL, provider_request_id TEXT
);
CREATE INDEX IF NOT EXISTS attempts_by_key ON attempts (key);
"""

SELECT_META = "SELECT value FROM meta WHERE name = ?"
SELECT_NOTES = "SELECT name, value FROM meta WHERE name >= ? AND name < ? ORDER BY name"
PUT_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
SWAP_META = "UPDATE meta SET value = ? WHERE name = ? AND value = ?"
DELETE_META = "DELETE FROM meta WHERE name = ?"

PUT_OWNER = "INSERT INTO owners VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET expires = excluded.expires"
SELECT_OWNERS = "SELECT owner, host, pid, born, expires FROM owners"
DELETE_OWNER = "DELETE FROM owners WHERE owner = ?"

SELECT_STATES = "SELECT key, state, owner, error_kind, error, attempts FROM requests WHERE key IN "
INSERT_REQUESTS = """INSERT INTO requests
                     (key, sample, provider, model, request, state, owner, created, updated)"""
TAKE_REQUESTS = "UPDATE requests SET state = 'intended', owner = ?, updated = ? WHERE key IN "
SETTLE_REQUESTS = """UPDATE requests SET state = 'answered', owner = NULL, updated = ?, attempts =
                     (SELECT attempts FROM answers WHERE answers.key = requests.key) WHERE key IN """
FAIL_REQUEST = """UPDATE requests SET state = 'failed', owner = NULL, updated = ?, error_kind = ?, error = ?,
                  attempts = ? WHERE key = ? AND state <> 'answered'"""
RELEASE_REQUEST = "UPDATE requests SET owner = NULL, updated = ? WHERE key = ? AND owner = ? AND state = 'intended'"
COUNT_CLAIMS = "SELECT owner, count(*) FROM requests WHERE state = 'intended' AND owner IS NOT NULL GROUP BY owner"
COUNT_CLAIMS_OF = "SELECT count(*) FROM requests WHERE state = 'intended' AND owner = ?"
DROP_UNSENT = """DELETE FROM requests WHERE owner = ? AND state = 'intended' AND key = ?
                 AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.key = requests.key)"""

INSERT_ANSWERS = "INSERT OR IGNORE INTO answers"
SELECT_ANSWERS = "SELECT * FROM answers WHERE key IN "
INSERT_ATTEMPTS = "INSERT INTO attempts"

COUNT_STATES = "SELECT state, count(*) FROM requests GROUP BY state"
COUNT_ATTEMPTS = "SELECT coalesce(error_kind, ''), count(*), coalesce(sum(cost_usd), 0) FROM attempts GROUP BY 1"
SUM_ANSWERS = """SELECT coalesce(sum(input_tokens), 0), coalesce(sum(cached_input_tokens), 0),
                 coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost_usd), 0)
                 FROM answers"""
COUNT_MODELS = "SELECT model_served, count(*) FROM answers GROUP BY 1"

SELECT_ALL = """SELECT key, sample, request, state, created, updated, error_kind, error, attempts
                FROM requests ORDER BY key"""
SELECT_ATTEMPTS = """SELECT key, started, latency_ms, status, error_kind, error, cost_usd, provider_request_id
                     FROM attempts WHERE key = ? ORDER BY started"""
ADOPT_REQUEST = """INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?)
                   ON CONFLICT (key) DO UPDATE SET state = excluded.state, owner = NULL, updated = excluded.updated,
                   error_kind = excluded.error_kind, error = excluded.error, attempts = excluded.attempts
                   WHERE requests.state <> 'answered' AND excluded.state = 'answered'"""
ADOPT_ATTEMPT = """INSERT INTO attempts SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS
                   (SELECT 1 FROM attempts WHERE key = ?1 AND started = ?2 AND latency_ms = ?3)"""
SELECT_DIGESTS = "SELECT key, raw, digest FROM answers"
SELECT_REQUESTS = "SELECT key, sample, request FROM requests"
ORPHANS = "SELECT key FROM answers WHERE key NOT IN (SELECT key FROM requests)"
HOLLOW = "SELECT key FROM requests WHERE state = 'answered' AND key NOT IN (SELECT key FROM answers)"
UNSETTLED = "SELECT key FROM answers WHERE key IN (SELECT key FROM requests WHERE state <> 'answered')"
