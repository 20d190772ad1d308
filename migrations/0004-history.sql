-- What the configuration was, and what is still to be confirmed.

CREATE TABLE revision (
  revision INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  -- Null where nobody had to say who they are.
  actor TEXT CHECK (actor IS NULL OR json_valid(actor)),
  request_id TEXT,
  message TEXT,
  -- Size of its documents: history is bounded by number and by size.
  octets INTEGER NOT NULL
) STRICT;
-- Where history begins; older states were not kept.
INSERT INTO revision (revision, at, message, octets)
  SELECT revision, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'History begins here.', 0
  FROM configuration;

CREATE TABLE revision_change (
  revision INTEGER NOT NULL REFERENCES revision (revision) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  before TEXT CHECK (before IS NULL OR json_valid(before)),
  after TEXT CHECK (after IS NULL OR json_valid(after)),
  PRIMARY KEY (revision, place)
) STRICT, WITHOUT ROWID;

-- What goes on after its request was answered. `document` is the rest of it, by kind.
CREATE TABLE operation (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at TEXT NOT NULL,
  deadline TEXT,
  ended_at TEXT,
  detail TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE INDEX operation_created ON operation (created_at);

-- Requests that a client may repeat, and what became of them.
CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  -- Of method, address and body: the same key for something else is a mistake.
  fingerprint TEXT NOT NULL,
  revision INTEGER NOT NULL,
  operation TEXT,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);
