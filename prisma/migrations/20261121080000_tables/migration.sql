-- Tables of plans, blocks and money. Numbers in comments are the invariants of docs/invariants.md.
--
-- Names are compared byte by byte (COLLATE "C"): that is the fastest order, and the one in which every transaction locks.
-- Times of the plan are timestamptz; times on the hot path are store-clock milliseconds since the epoch (bigint, `_ms`).

CREATE TABLE events (
  id                int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  title             text        NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
  state             text        NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'armed', 'live', 'closed', 'settled')),
  starts_at         timestamptz NOT NULL,
  ends_at           timestamptz NOT NULL,
  shares_end_at     timestamptz NOT NULL,
  per_user_max      smallint    NOT NULL CHECK (per_user_max BETWEEN 1 AND 64),
  ticket_ttl_ms     int         NOT NULL CHECK (ticket_ttl_ms > 0),
  stagger_ms        int         NOT NULL CHECK (stagger_ms >= 0),
  shake_interval_ms int         NOT NULL CHECK (shake_interval_ms > 0),
  block_life_ms     int         NOT NULL CHECK (block_life_ms > 0),
  grace_ms          int         NOT NULL CHECK (grace_ms >= 0),
  reissue           text        NOT NULL DEFAULT 'event' CHECK (reissue IN ('event', 'wave', 'never')),
  -- fixed when the event is armed: a packet's lane must not change while it can be opened
  open_lane_count   smallint    CHECK (open_lane_count BETWEEN 1 AND 64),
  grab_lane_count   smallint    CHECK (grab_lane_count BETWEEN 1 AND 64),
  secret_commitment text,
  canonical_plan    text,
  revealed_secret   text,
  created_at        timestamptz NOT NULL,
  armed_at          timestamptz,
  closed_at         timestamptz,
  -- from here on nothing is granted or grabbed: what is unclaimed can be refunded
  settling_at       timestamptz,
  settled_at        timestamptz,
  CONSTRAINT events_times CHECK (starts_at < ends_at AND ends_at <= shares_end_at),
  CONSTRAINT events_armed CHECK (
    (state = 'draft') = (num_nonnulls(open_lane_count, grab_lane_count, secret_commitment, canonical_plan, armed_at) = 0)
    AND (state = 'draft' OR num_nulls(open_lane_count, grab_lane_count, secret_commitment, canonical_plan, armed_at) = 0)
  ),
  CONSTRAINT events_closed CHECK ((state IN ('closed', 'settled')) = (closed_at IS NOT NULL)),
  CONSTRAINT events_settling CHECK (settling_at IS NULL OR state IN ('closed', 'settled')),
  -- the secret is out only when nothing of the event can change any more
  CONSTRAINT events_settled CHECK (
    (state = 'settled') = (settled_at IS NOT NULL)
    AND (state = 'settled') = (revealed_secret IS NOT NULL)
    AND (state <> 'settled' OR settling_at IS NOT NULL)
  )
);

-- Read by allocation alone, which makes it when the event is armed.
CREATE TABLE event_secrets (
  event_id int   PRIMARY KEY REFERENCES events,
  secret   bytea NOT NULL CHECK (octet_length(secret) >= 32)
);

-- Where money is. A wallet's row is also its user's lock (5). Balances of pools and sponsors are sums over transfers: kept in
-- a row, they would be a row that all lanes share.
CREATE TABLE accounts (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        text   NOT NULL COLLATE "C" CHECK (kind IN ('sponsor', 'pool', 'wallet')),
  name        text   NOT NULL COLLATE "C" CHECK (length(name) BETWEEN 1 AND 128),
  balance_fen bigint CHECK (balance_fen >= 0),
  CONSTRAINT accounts_kind_name UNIQUE (kind, name),
  CONSTRAINT accounts_balance CHECK ((kind = 'wallet') = (balance_fen IS NOT NULL))
) WITH (fillfactor = 70); -- room for the new balance on the same page

CREATE TABLE sponsors (
  event_id   int      NOT NULL REFERENCES events,
  no         smallint NOT NULL CHECK (no >= 0),
  sponsor_id text     NOT NULL COLLATE "C" CHECK (length(sponsor_id) BETWEEN 1 AND 64),
  name       text     NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  account_id bigint   REFERENCES accounts, -- set when the event is armed
  PRIMARY KEY (event_id, no),
  CONSTRAINT sponsors_sponsor_id UNIQUE (event_id, sponsor_id),
  CONSTRAINT sponsors_account UNIQUE (account_id)
);

CREATE TABLE waves (
  event_id    int         NOT NULL REFERENCES events,
  no          smallint    NOT NULL CHECK (no >= 0),
  starts_at   timestamptz NOT NULL,
  duration_ms bigint      NOT NULL CHECK (duration_ms > 0), -- a wave may last longer than the 24 days of an int
  PRIMARY KEY (event_id, no)
);

CREATE TABLE pools (
  id               int      GENERATED ALWAYS AS IDENTITY (MAXVALUE 16777215) PRIMARY KEY CHECK (id BETWEEN 1 AND 16777215),
  event_id         int      NOT NULL REFERENCES events,
  wave_no          smallint NOT NULL,
  sponsor_no       smallint NOT NULL,
  packet_count     int      NOT NULL CHECK (packet_count > 0),
  budget_fen       bigint   NOT NULL CHECK (budget_fen > 0),
  min_fen          int      NOT NULL CHECK (min_fen > 0),
  max_fen          int      NOT NULL CHECK (max_fen >= min_fen),
  share_portions   smallint NOT NULL CHECK (share_portions BETWEEN 0 AND 100),
  share_budget_fen bigint   NOT NULL CHECK (share_budget_fen >= 0),
  release_curve    jsonb    NOT NULL,
  block_size       smallint NOT NULL CHECK (block_size BETWEEN 1 AND 256),
  block_count      int      NOT NULL,
  -- blocks at and after it were never stocked: with the rows of `blocks` the whole truth about stock
  next_block       int      NOT NULL DEFAULT 0,
  account_id       bigint   REFERENCES accounts, -- set when the event is armed
  FOREIGN KEY (event_id, wave_no) REFERENCES waves,
  FOREIGN KEY (event_id, sponsor_no) REFERENCES sponsors,
  CONSTRAINT pools_account UNIQUE (account_id),
  CONSTRAINT pools_budget CHECK (budget_fen BETWEEN packet_count::bigint * min_fen AND packet_count::bigint * max_fen),
  CONSTRAINT pools_shares CHECK (
    CASE WHEN share_portions = 0 THEN share_budget_fen = 0 ELSE share_budget_fen >= packet_count::bigint * share_portions END
  ),
  CONSTRAINT pools_block_count CHECK (block_count = (packet_count + block_size::bigint - 1) / block_size),
  CONSTRAINT pools_next_block CHECK (next_block BETWEEN 0 AND block_count)
);
CREATE INDEX pools_event ON pools (event_id);

-- One row per block ever stocked.
CREATE TABLE blocks (
  pool_id       int      NOT NULL REFERENCES pools,
  block_no      int      NOT NULL CHECK (block_no >= 0),
  epoch         smallint NOT NULL CHECK (epoch >= 1), -- (3)
  state         text     NOT NULL COLLATE "C" CHECK (state IN ('out', 'reclaimed', 'retired', 'closed')),
  -- what this epoch may issue: index i is get_bit(mask, i); bits past the block's packets are 0
  mask          bytea    NOT NULL CHECK (octet_length(mask) BETWEEN 1 AND 32),
  issue_until_ms bigint  NOT NULL,
  stocked_at_ms bigint   NOT NULL,
  PRIMARY KEY (pool_id, block_no),
  CONSTRAINT blocks_times CHECK (stocked_at_ms <= issue_until_ms)
) WITH (fillfactor = 80);
-- for the reclaimer: the oldest blocks that are out, pool by pool
CREATE INDEX blocks_out ON blocks (pool_id, issue_until_ms) WHERE state = 'out';
CREATE INDEX blocks_reclaimed ON blocks (pool_id, block_no) WHERE state = 'reclaimed';

-- Every fen is a transfer between two accounts (8). (kind, ref, portion) is its deterministic id: what runs twice books once
-- (7). ref is the pool of a fund or refund, the packet of a grant or grab; portion is 1.. for grabs, else 0.
-- No foreign keys: a check would lock the pool's account row in every lane's transaction, and lanes share no row.
-- Reconciliation looks for transfers whose accounts do not exist.
CREATE TABLE transfers (
  kind           text        NOT NULL COLLATE "C" CHECK (kind IN ('fund', 'grant', 'grab', 'refund')),
  ref            bigint      NOT NULL CHECK (ref > 0),
  portion        smallint    NOT NULL,
  debit_account  bigint      NOT NULL,
  credit_account bigint      NOT NULL,
  amount_fen     bigint      NOT NULL CHECK (amount_fen > 0),
  event_id       int         NOT NULL,
  pool_id        int         NOT NULL,
  at             timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, ref, portion),
  CONSTRAINT transfers_two_accounts CHECK (debit_account <> credit_account),
  CONSTRAINT transfers_portion CHECK (CASE WHEN kind = 'grab' THEN portion >= 1 ELSE portion = 0 END),
  CONSTRAINT transfers_pool CHECK (pool_id = CASE WHEN kind IN ('grant', 'grab') THEN ref >> 39 ELSE ref END)
);

-- A packet that was granted: once, to one user (1). ordinal counts the user's packets of the event, so the two UNIQUEs and
-- the CHECK are the limits (5). Pool and block are in packet_id (pool 24 bits | block 31 | index 8). event_id and the pool
-- have no foreign key for the reason given at transfers; the wallet's row is locked by the grant anyway.
CREATE TABLE grants (
  packet_id      bigint      PRIMARY KEY CHECK (packet_id > 0),
  event_id       int         NOT NULL,
  account_id     bigint      NOT NULL REFERENCES accounts,
  sponsor_no     smallint    NOT NULL,
  ordinal        smallint    NOT NULL,
  per_user_max   smallint    NOT NULL,
  epoch          smallint    NOT NULL CHECK (epoch >= 1),
  amount_fen     int         NOT NULL CHECK (amount_fen > 0),
  accepted_at_ms bigint      NOT NULL,
  granted_at     timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT grants_limit CHECK (ordinal BETWEEN 1 AND per_user_max),
  CONSTRAINT grants_ordinal UNIQUE (account_id, event_id, ordinal),
  CONSTRAINT grants_sponsor UNIQUE (account_id, event_id, sponsor_no)
);

-- A portion of a share that a friend took: each portion once, each friend once; only of a packet that was granted.
CREATE TABLE grabs (
  packet_id      bigint      NOT NULL REFERENCES grants,
  portion        smallint    NOT NULL CHECK (portion >= 1),
  event_id       int         NOT NULL,
  account_id     bigint      NOT NULL REFERENCES accounts,
  amount_fen     int         NOT NULL CHECK (amount_fen > 0),
  accepted_at_ms bigint      NOT NULL,
  grabbed_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (packet_id, portion),
  CONSTRAINT grabs_once UNIQUE (packet_id, account_id)
);

-- Items that could not be settled (9). While one of a block is not replayed, the block is not reclaimed.
CREATE TABLE dead_letters (
  id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        text        NOT NULL CHECK (kind IN ('open', 'grab')),
  lane        text        NOT NULL,
  event_id    int         NOT NULL,
  packet_id   bigint      NOT NULL,
  user_id     text        NOT NULL,
  epoch       int         NOT NULL,
  item        jsonb       NOT NULL,
  error       text        NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  replayed_at timestamptz,
  outcome     jsonb,
  CONSTRAINT dead_letters_item UNIQUE (kind, packet_id, user_id, epoch),
  CONSTRAINT dead_letters_replayed CHECK ((replayed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX dead_letters_waiting ON dead_letters (packet_id) WHERE replayed_at IS NULL;

-- Who did what, and why.
CREATE TABLE audit_log (
  id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT now(),
  actor  text        NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
  action text        NOT NULL CHECK (length(action) BETWEEN 1 AND 200),
  target text        NOT NULL CHECK (length(target) <= 200),
  reason text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  detail jsonb       NOT NULL
);

-- The one degradation document: at most one row, replaced under its version.
CREATE TABLE degradation_state (
  id         smallint    PRIMARY KEY CHECK (id = 1),
  version    bigint      NOT NULL CHECK (version >= 1),
  document   jsonb       NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
