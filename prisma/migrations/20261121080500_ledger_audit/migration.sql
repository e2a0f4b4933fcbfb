-- What the audit of the ledger reads by, so that each of its statements stays small however large the ledger is.

-- A wallet's grabs. The same rule (a friend takes one portion of a share) the other way round: no further index to write.
ALTER TABLE grabs ADD CONSTRAINT grabs_friend UNIQUE (account_id, packet_id);
ALTER TABLE grabs DROP CONSTRAINT grabs_once;
ALTER TABLE grabs RENAME CONSTRAINT grabs_friend TO grabs_once;

-- What was booked since a time. Rows come in the order of time, so a few bytes for every 256 kB say where to look, and a new row
-- hardly ever changes them.
CREATE INDEX transfers_at ON transfers USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
