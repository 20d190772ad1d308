-- Who may do what, and what happened.

CREATE TABLE token (
  name TEXT PRIMARY KEY,
  -- SHA-256 of the token, which itself is kept nowhere.
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  scope TEXT NOT NULL CHECK (scope IN ('read', 'operate', 'write', 'admin')),
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL,
  expires_at TEXT,
  -- Written now and then, not with every use.
  last_used_at TEXT,
  last_used_from TEXT
) STRICT;

-- One table for the stream of events and for the audit log. Numbers are never given out twice: they
-- are what a reader goes on from.
CREATE TABLE journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  type TEXT NOT NULL,
  -- Entries of one class are bounded together, so that a flood of one does not wash away another.
  class TEXT NOT NULL CHECK (class IN ('change', 'denial', 'state')),
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'denied', 'failed')),
  -- Who, from where, and in which request; none of them for what the appliance did by itself.
  actor TEXT,
  actor_kind TEXT,
  address TEXT,
  request_id TEXT,
  -- What it is about.
  kind TEXT,
  name TEXT,
  revision INTEGER,
  before TEXT CHECK (before IS NULL OR json_valid(before)),
  after TEXT CHECK (after IS NULL OR json_valid(after)),
  -- The rest: a sentence, method and path, a problem's code, how often.
  detail TEXT CHECK (detail IS NULL OR json_valid(detail))
) STRICT;
CREATE INDEX journal_class ON journal (class, id);
CREATE INDEX journal_actor ON journal (actor, id);
CREATE INDEX journal_object ON journal (kind, name, id);

-- One row: the newest entry that was removed. Whoever has not read so far has missed something.
CREATE TABLE journal_removed (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  through INTEGER NOT NULL
) STRICT;
INSERT INTO journal_removed (id, through) VALUES (1, 0);
