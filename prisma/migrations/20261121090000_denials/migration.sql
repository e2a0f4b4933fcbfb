-- One outcome per ticket (7): (packet, epoch, user). A grant is one; a denial that a later look might not come to again is
-- another, and is kept. What can be told again from facts that never turn back is not: a ticket whose block lapsed (went into a
-- higher epoch, was closed, its event is being settled) without a grant or denial of its own is `expired`, then and ever after.

-- Written by settle_opens alone, in the transaction that decides, under the user's wallet lock. Never a row for a ticket that was
-- granted, which the audit of the ledger looks at. No foreign keys but the wallet's: see transfers.
CREATE TABLE denials (
  packet_id      bigint      NOT NULL CHECK (packet_id > 0),
  epoch          smallint    NOT NULL CHECK (epoch >= 1),
  account_id     bigint      NOT NULL REFERENCES accounts,
  event_id       int         NOT NULL,
  outcome        text        NOT NULL COLLATE "C" CHECK (outcome IN ('limit', 'sponsor_limit', 'taken')),
  accepted_at_ms bigint      NOT NULL,
  denied_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (packet_id, epoch, account_id)
);
CREATE TRIGGER denials_immutable BEFORE UPDATE OR DELETE ON denials FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER denials_kept BEFORE TRUNCATE ON denials FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- settle_opens: decides and books a batch of accepted opens. The only place where packets are granted (1, 3, 4, 5, 7, 8).
--
-- in:  arrays of one length, one element per claim; packets are distinct, nothing is NULL. amounts_fen are the derived
--      amounts, accepted_at_mss store-clock milliseconds.
-- out: one row per claim, in the order of the input:
--        credited       granted to this ticket, now (is_new) or before; booked_ordinal and booked_fen are as booked
--        sponsor_limit  the user had a packet of this sponsor; kept in denials
--        limit          the user had as many packets of the event as he may; kept in denials
--        taken          granted to somebody else by a ticket of the same epoch; kept in denials
--        expired        the block is closed or in a higher epoch, or the event is being settled: it stays so. Or there is no such
--                       ticket: the block is not stocked or in a lower epoch, the packet is not in its mask, the event or
--                       sponsor is another one
--      Every outcome is final: the same ticket gets the same one again (7). Limits are applied in the order of acceptance.
-- errors: 40001, 40P01: nothing is booked, repeat the batch. Class 22 and 23: some claim can never be booked.
--
-- READ COMMITTED, each statement with its own snapshot. Locks, in the one order that every caller keeps:
--   1. the event, shared, against begin_settlement  2. wallets by name: the users' locks  3. blocks, shared, against restock
-- Only then are limits counted, with a snapshot that is younger than the locks: what another lane booked or denied for the same
-- user is seen. No row is shared by lanes but a user's wallet.
--
-- The lookups are scalar or lateral with LIMIT 1, which the planner cannot reorder, flatten or hash (as it does with joins and
-- EXISTS), and with these settings each goes by index, whatever the statistics say: a plan that is made while the tables are
-- small is kept when they are large, and one with a scan or a join of its own choice was 20 times slower within seconds.
CREATE OR REPLACE FUNCTION settle_opens(
  packet_ids      bigint[],
  event_ids       int[],
  sponsor_nos     int[],
  user_ids        text[],
  epochs          int[],
  accepted_at_mss bigint[],
  amounts_fen     bigint[]
) RETURNS TABLE (outcome text, booked_ordinal int, booked_fen bigint, is_new boolean)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
SET enable_material = off
AS $$
DECLARE
  outcomes      text[];
  ordinals      int[];
  fens          bigint[];
  news          boolean[];
  accounts_of   bigint[];
  pools_of      bigint[];
  limits_of     int[];
  denied        boolean[];
  new_count     int;
  denied_count  int;
  booked_count  int;
  misfit        bigint;
BEGIN
  IF num_nonnulls(array_position(packet_ids, NULL), array_position(event_ids, NULL), array_position(sponsor_nos, NULL),
      array_position(user_ids, NULL), array_position(epochs, NULL), array_position(accepted_at_mss, NULL),
      array_position(amounts_fen, NULL)) > 0
    OR NOT cardinality(packet_ids) = ALL (ARRAY[cardinality(event_ids), cardinality(sponsor_nos), cardinality(user_ids),
      cardinality(epochs), cardinality(accepted_at_mss), cardinality(amounts_fen)])
    OR (SELECT count(*) <> count(DISTINCT p.id) FROM unnest(packet_ids) AS p (id))
  THEN
    RAISE EXCEPTION 'a batch of opens has distinct packets, no NULL and arrays of one length' USING ERRCODE = 'invalid_parameter_value';
  END IF;

  PERFORM pg_advisory_xact_lock_shared(7301, w.event_id)
  FROM (SELECT DISTINCT e.id AS event_id FROM unnest(event_ids) AS e (id) ORDER BY e.id) w;

  INSERT INTO accounts (kind, name, balance_fen)
  SELECT 'wallet', w.name, 0
  FROM (SELECT DISTINCT u.id COLLATE "C" AS name FROM unnest(user_ids) AS u (id)) w
  WHERE (SELECT true FROM accounts a WHERE a.kind = 'wallet' AND a.name = w.name) IS NULL
  ORDER BY w.name
  ON CONFLICT (kind, name) DO NOTHING;

  PERFORM FROM accounts a WHERE a.kind = 'wallet' AND a.name = ANY (user_ids) ORDER BY a.name FOR UPDATE;

  PERFORM
  FROM (SELECT DISTINCT (p.id >> 39)::int AS pool_id, ((p.id >> 8) & 2147483647)::int AS block_no
        FROM unnest(packet_ids) AS p (id) ORDER BY 1, 2) w
  CROSS JOIN LATERAL (
    SELECT FROM blocks b WHERE b.pool_id = w.pool_id AND b.block_no = w.block_no FOR SHARE
  ) locked;

  WITH claim AS (
    SELECT c.*, (SELECT a.id FROM accounts a WHERE a.kind = 'wallet' AND a.name = c.user_id) AS account_id
    FROM unnest(packet_ids, event_ids, sponsor_nos, user_ids, epochs, accepted_at_mss, amounts_fen) WITH ORDINALITY
      AS c (packet_id, event_id, sponsor_no, user_id, epoch, accepted_at_ms, amount_fen, ord)
    OFFSET 0
  ), known AS (
    SELECT c.*, g.account_id AS grantee_id, g.epoch AS granted_epoch, g.ordinal AS granted_ordinal,
      g.amount_fen AS granted_fen, p.account_id AS pool_account_id, e.per_user_max,
      (
        SELECT d.outcome FROM denials d
        WHERE d.packet_id = c.packet_id AND d.epoch = c.epoch AND d.account_id = c.account_id
      ) AS denied_as,
      c.amount_fen BETWEEN p.min_fen AND p.max_fen AS is_possible,
      (
        p.event_id = c.event_id AND p.sponsor_no = c.sponsor_no AND e.settling_at IS NULL
        AND b.state <> 'closed' AND b.epoch = c.epoch
      ) IS TRUE AS is_current,
      (
        g.packet_id IS NULL
        AND CASE WHEN (c.packet_id & 255) < octet_length(b.mask) * 8 THEN get_bit(b.mask, c.packet_id & 255) = 1 END
      ) IS TRUE AS is_left,
      (
        SELECT true FROM grants s
        WHERE s.account_id = c.account_id AND s.event_id = c.event_id AND s.sponsor_no = c.sponsor_no
      ) IS NOT NULL AS has_sponsor,
      coalesce((
        SELECT h.ordinal FROM grants h WHERE h.account_id = c.account_id AND h.event_id = c.event_id
        ORDER BY h.ordinal DESC LIMIT 1
      ), 0) AS held
    FROM claim c
    LEFT JOIN LATERAL (SELECT * FROM grants WHERE packet_id = c.packet_id LIMIT 1) g ON true
    LEFT JOIN LATERAL (
      SELECT * FROM blocks
      WHERE pool_id = (c.packet_id >> 39)::int AND block_no = ((c.packet_id >> 8) & 2147483647)::int LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (SELECT * FROM pools WHERE id = b.pool_id LIMIT 1) p ON true
    LEFT JOIN LATERAL (SELECT * FROM events WHERE id = p.event_id LIMIT 1) e ON true
    OFFSET 0
  ), eligible AS (
    SELECT k.*, k.denied_as IS NULL AND k.is_current AND k.is_left AND NOT k.has_sponsor AS is_candidate FROM known k
  ), candidate AS (
    -- of a user's claims on one sponsor only the first can be granted; if the limit denies it, it denies the others too
    SELECT o.*,
      row_number() OVER (
        PARTITION BY o.is_candidate, o.account_id, o.event_id, o.sponsor_no ORDER BY o.accepted_at_ms, o.ord
      ) AS nth_of_sponsor
    FROM eligible o
  ), ranked AS (
    SELECT c.*,
      c.held + count(*) FILTER (WHERE c.is_candidate AND c.nth_of_sponsor = 1) OVER (
        PARTITION BY c.account_id, c.event_id ORDER BY c.accepted_at_ms, c.ord
      ) AS ordinal
    FROM candidate c
  ), decided AS (
    SELECT r.*,
      CASE
        WHEN r.grantee_id = r.account_id AND r.granted_epoch = r.epoch THEN 'credited'
        WHEN r.denied_as IS NOT NULL THEN r.denied_as
        -- before 'taken': a ticket that lapsed is told the same before and after its packet went to somebody else
        WHEN NOT r.is_current THEN 'expired'
        WHEN r.grantee_id <> r.account_id THEN 'taken'
        WHEN NOT r.is_left THEN 'expired'
        WHEN r.has_sponsor THEN 'sponsor_limit'
        WHEN r.per_user_max < first_value(r.ordinal) OVER (
          PARTITION BY r.is_candidate, r.account_id, r.event_id, r.sponsor_no ORDER BY r.accepted_at_ms, r.ord
        ) THEN 'limit'
        WHEN r.nth_of_sponsor > 1 THEN 'sponsor_limit'
        ELSE 'new'
      END AS verdict
    FROM ranked r
  )
  SELECT
    array_agg(CASE d.verdict WHEN 'new' THEN 'credited' ELSE d.verdict END ORDER BY d.ord),
    array_agg(CASE d.verdict WHEN 'new' THEN d.ordinal WHEN 'credited' THEN d.granted_ordinal END ORDER BY d.ord),
    array_agg(CASE d.verdict WHEN 'new' THEN d.amount_fen WHEN 'credited' THEN d.granted_fen END ORDER BY d.ord),
    array_agg(d.verdict = 'new' ORDER BY d.ord),
    array_agg(d.denied_as IS NULL AND d.verdict IN ('limit', 'sponsor_limit', 'taken') ORDER BY d.ord),
    array_agg(d.account_id ORDER BY d.ord),
    array_agg(d.pool_account_id ORDER BY d.ord),
    array_agg(d.per_user_max ORDER BY d.ord),
    count(*) FILTER (WHERE d.verdict = 'new'),
    count(*) FILTER (WHERE d.denied_as IS NULL AND d.verdict IN ('limit', 'sponsor_limit', 'taken')),
    min(d.packet_id) FILTER (WHERE d.verdict = 'new' AND NOT d.is_possible)
  INTO outcomes, ordinals, fens, news, denied, accounts_of, pools_of, limits_of, new_count, denied_count, misfit
  FROM decided d;

  IF misfit IS NOT NULL THEN
    RAISE EXCEPTION 'the amount of packet % is outside its pool''s bounds', misfit USING ERRCODE = 'check_violation';
  END IF;

  IF new_count > 0 THEN
    INSERT INTO grants
      (packet_id, event_id, account_id, sponsor_no, ordinal, per_user_max, epoch, amount_fen, accepted_at_ms)
    SELECT n.packet_id, n.event_id, n.account_id, n.sponsor_no, n.ordinal, n.per_user_max, n.epoch, n.amount_fen,
      n.accepted_at_ms
    FROM unnest(packet_ids, event_ids, accounts_of, sponsor_nos, ordinals, limits_of, epochs, fens, accepted_at_mss, news)
      AS n (packet_id, event_id, account_id, sponsor_no, ordinal, per_user_max, epoch, amount_fen, accepted_at_ms, is_new)
    WHERE n.is_new
    ORDER BY n.packet_id
    ON CONFLICT (packet_id) DO NOTHING;
    GET DIAGNOSTICS booked_count = ROW_COUNT;
    IF booked_count <> new_count THEN
      -- another user's claim on the same packet was booked since the snapshot: the repeat sees it
      RAISE EXCEPTION 'a packet of the batch was granted meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;

    INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id)
    SELECT 'grant', n.packet_id, 0, n.pool_account_id, n.account_id, n.amount_fen, n.event_id, n.packet_id >> 39
    FROM unnest(packet_ids, event_ids, accounts_of, pools_of, fens, news)
      AS n (packet_id, event_id, account_id, pool_account_id, amount_fen, is_new)
    WHERE n.is_new
    ORDER BY n.packet_id;

    UPDATE accounts a SET balance_fen = a.balance_fen + w.amount_fen
    FROM (SELECT n.account_id, sum(n.amount_fen)::bigint AS amount_fen
          FROM unnest(accounts_of, fens, news) AS n (account_id, amount_fen, is_new)
          WHERE n.is_new GROUP BY n.account_id) w
    WHERE a.id = w.account_id;
  END IF;

  IF denied_count > 0 THEN
    INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
    SELECT n.packet_id, n.epoch, n.account_id, n.event_id, n.outcome, n.accepted_at_ms
    FROM unnest(packet_ids, epochs, accounts_of, event_ids, outcomes, accepted_at_mss, denied)
      AS n (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms, is_denied)
    WHERE n.is_denied
    ORDER BY n.packet_id;
  END IF;

  RETURN QUERY
  SELECT d.outcome, d.ordinal, d.amount_fen, d.is_new
  FROM unnest(outcomes, ordinals, fens, news) WITH ORDINALITY AS d (outcome, ordinal, amount_fen, is_new, ord)
  ORDER BY d.ord;
END
$$;
