-- The configuration: virtual services, their real servers, and a number that every change raises.

CREATE TABLE configuration (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  revision INTEGER NOT NULL
) STRICT;
INSERT INTO configuration (id, revision) VALUES (1, 0);

CREATE TABLE virtual_service (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  uid TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  family TEXT NOT NULL CHECK (family IN ('ipv4', 'ipv6')),
  protocol TEXT CHECK (protocol IN ('tcp', 'udp', 'sctp')),
  address TEXT,
  port INTEGER CHECK (port BETWEEN 0 AND 65535),
  fwmark INTEGER CHECK (fwmark BETWEEN 1 AND 4294967295),
  scheduler TEXT NOT NULL,
  scheduler_flags TEXT NOT NULL CHECK (json_valid(scheduler_flags)),
  persistence_timeout_s INTEGER CHECK (persistence_timeout_s >= 1),
  persistence_netmask TEXT,
  persistence_prefix_length INTEGER,
  persistence_engine TEXT,
  one_packet INTEGER NOT NULL CHECK (one_packet IN (0, 1)),
  interface TEXT,
  manage_address INTEGER NOT NULL CHECK (manage_address IN (0, 1)),
  labels TEXT NOT NULL CHECK (json_valid(labels)),
  -- An address service or a mark service, never both and never neither.
  CHECK (
    (fwmark IS NULL AND protocol IS NOT NULL AND address IS NOT NULL AND port IS NOT NULL)
    OR (fwmark IS NOT NULL AND protocol IS NULL AND address IS NULL AND port IS NULL)
  )
) STRICT;
-- Two services cannot take the same packets. The same mark may exist once in each family.
CREATE UNIQUE INDEX virtual_service_address ON virtual_service (address, port, protocol)
  WHERE fwmark IS NULL;
CREATE UNIQUE INDEX virtual_service_fwmark ON virtual_service (fwmark, family)
  WHERE fwmark IS NOT NULL;

CREATE TABLE real_server (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  service_id INTEGER NOT NULL REFERENCES virtual_service (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  -- Order in which the dataplane got them: schedulers walk the newest first.
  position INTEGER NOT NULL,
  address TEXT NOT NULL,
  port INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),
  weight INTEGER NOT NULL CHECK (weight >= 0),
  forwarding TEXT NOT NULL,
  tunnel TEXT CHECK (tunnel IS NULL OR json_valid(tunnel)),
  upper_threshold INTEGER NOT NULL CHECK (upper_threshold >= 0),
  lower_threshold INTEGER NOT NULL CHECK (lower_threshold >= 0),
  admin_state TEXT NOT NULL CHECK (admin_state IN ('enabled', 'draining', 'disabled')),
  -- When it last began or stopped to take new connections, for the reasons in its status.
  state_since TEXT NOT NULL,
  labels TEXT NOT NULL CHECK (json_valid(labels)),
  UNIQUE (service_id, name),
  UNIQUE (service_id, address, port)
) STRICT;
