-- A drain that is under way or over: operational state of a real server, not part of its document.
-- It goes with the real server, so that neither can be without the other.

ALTER TABLE real_server ADD COLUMN drain TEXT CHECK (drain IS NULL OR json_valid(drain));
