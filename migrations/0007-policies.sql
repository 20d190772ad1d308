-- What a virtual service does when real servers fail and return, and what is left of that over a
-- restart; drains of many real servers at once.

ALTER TABLE virtual_service ADD COLUMN policy TEXT CHECK (policy IS NULL OR json_valid(policy));
ALTER TABLE real_server ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK (priority >= 0);

-- No configuration: whether a service has its quorum, and since when its real servers ramp. By uid,
-- so that a service that is made anew begins anew.
CREATE TABLE standing (
  service_uid TEXT PRIMARY KEY,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT, WITHOUT ROWID;

CREATE TABLE maintenance (
  name TEXT PRIMARY KEY,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT, WITHOUT ROWID;
