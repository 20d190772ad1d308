-- The order in which the dataplane got its services, the knobs of IPVS, and the rules that say which
-- packets carry which firewall mark.

ALTER TABLE virtual_service ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
UPDATE virtual_service SET position = id;

-- One row. The document holds every field; one that a later version adds has its default until then.
CREATE TABLE settings (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  uid TEXT NOT NULL,
  revision INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
INSERT INTO settings (id, uid, revision, created_at, updated_at, document)
VALUES (
  1,
  lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' ||
    hex(randomblob(2)) || '-' || hex(randomblob(6))),
  0,
  strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
  strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
  '{}'
);

CREATE TABLE mark_rule (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  uid TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  mark INTEGER NOT NULL CHECK (mark BETWEEN 1 AND 4294967295),
  family TEXT NOT NULL CHECK (family IN ('ipv4', 'ipv6')),
  protocol TEXT NOT NULL,
  source TEXT,
  destination TEXT,
  source_ports TEXT CHECK (source_ports IS NULL OR json_valid(source_ports)),
  destination_ports TEXT CHECK (destination_ports IS NULL OR json_valid(destination_ports)),
  interface TEXT,
  -- Rules are asked in this order, those of one place by name.
  place INTEGER NOT NULL,
  labels TEXT NOT NULL CHECK (json_valid(labels))
) STRICT;
