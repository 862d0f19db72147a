"""The journal's schema, as the scripts that lead from each version to the next.

To change it, append one; never edit one that was released. The version of a journal is the number of those that it has.
"""

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('epoch', 0);
    CREATE TABLE tasks (
        seq          INTEGER PRIMARY KEY,
        id           TEXT    NOT NULL UNIQUE,
        fingerprint  TEXT    NOT NULL,
        spec         TEXT    NOT NULL,
        submitted_at REAL    NOT NULL,
        state        TEXT    NOT NULL,
        ready_at     REAL    NOT NULL,
        attempts     INTEGER NOT NULL,
        alone        INTEGER NOT NULL,
        token        INTEGER NOT NULL,
        worker       TEXT,
        leased_at    REAL,
        finished_at  REAL,
        outputs      TEXT    NOT NULL,
        failure      TEXT,
        history      TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX tasks_by_state ON tasks (state, seq);
    CREATE INDEX tasks_by_fingerprint ON tasks (fingerprint, seq) WHERE fingerprint <> '';
    """,
    """
    ALTER TABLE tasks ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
    ALTER TABLE tasks ADD COLUMN idempotency_key TEXT;
    ALTER TABLE tasks ADD COLUMN expires_at REAL;
    ALTER TABLE tasks ADD COLUMN node TEXT;
    CREATE INDEX tasks_by_key ON tasks (idempotency_key, tenant) WHERE idempotency_key IS NOT NULL;
    CREATE INDEX tasks_by_tenant ON tasks (tenant, seq) WHERE tenant <> '';
    CREATE INDEX tasks_by_code ON tasks (failure ->> 'code', seq) WHERE failure IS NOT NULL;
    CREATE INDEX tasks_by_end ON tasks (finished_at) WHERE finished_at IS NOT NULL;
    CREATE TABLE purged (state TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE garbage (key TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('commits', 0), ('last_seq', 0), ('store', abs(random()));
    """,
    """
    CREATE TABLE pool (
        configured_minimum INTEGER NOT NULL,
        configured_maximum INTEGER NOT NULL,
        minimum            INTEGER NOT NULL,
        maximum            INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE inputs (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
    CREATE TABLE results (
        seq  INTEGER NOT NULL,
        name TEXT    NOT NULL,
        data BLOB    NOT NULL,
        PRIMARY KEY (seq, name)
    ) STRICT;
    """,
)
