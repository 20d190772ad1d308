-- Health checks by name, what each virtual service and real server asks for, and what each check
-- said last.

CREATE TABLE health_check (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  uid TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  -- Complete and normalised; its fields depend on its kind.
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;

ALTER TABLE virtual_service ADD COLUMN health_checks TEXT
  CHECK (health_checks IS NULL OR json_valid(health_checks));
ALTER TABLE real_server ADD COLUMN health_checks TEXT
  CHECK (health_checks IS NULL OR json_valid(health_checks));

-- Written down late and for the next start alone: no configuration, and true only of then.
CREATE TABLE check_state (
  service TEXT NOT NULL,
  server TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('up', 'down')),
  since TEXT NOT NULL,
  PRIMARY KEY (service, server, name)
) STRICT, WITHOUT ROWID;
