-- Who is told of what happens. No configuration: it holds secrets, so it has no revisions.
CREATE TABLE webhook (
  name TEXT PRIMARY KEY,
  -- Complete and normalised, without the secret.
  document TEXT NOT NULL CHECK (json_valid(document)),
  -- What deliveries are signed with, so it cannot be hashed.
  secret TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  -- The entry of the journal from which it reads on.
  last_delivered_id INTEGER NOT NULL,
  last_success_at TEXT,
  last_error TEXT CHECK (last_error IS NULL OR json_valid(last_error)),
  failures INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
