-- Blocks live as long as their pool's pace asks for. An event may still set one life for all of its pools: that is what
-- events.block_life_ms says from now on, NULL without such a wish. pools.block_life_ms is what holds.

ALTER TABLE pools ADD COLUMN block_life_ms int CHECK (block_life_ms > 0);
UPDATE pools p SET block_life_ms = e.block_life_ms FROM events e WHERE e.id = p.event_id;
ALTER TABLE pools ALTER COLUMN block_life_ms SET NOT NULL;

ALTER TABLE events ALTER COLUMN block_life_ms DROP NOT NULL;

-- A block lies in one run of 256 packets, whose amounts are drawn together: its size divides 256.
ALTER TABLE pools ADD CONSTRAINT pools_block_size CHECK (256 % block_size = 0);
