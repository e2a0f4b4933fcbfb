-- settle_grabs: decides and books a batch of accepted grabs. The only place where portions of shares are given (7, 8).
--
-- A share is (packet, epoch, owner): a packet that lapsed and was won by the same user again is another share of his, and a friend's
-- grab of the first one stays what it was. Before, its epoch was not asked.
--
-- in:  arrays of one length, one element per claim; (packet, user) are distinct, nothing is NULL. The portions of a claim's
--      packet, as derived, are portion_counts elements of portions_fen after the first portion_offsets.
-- out: one row per claim, in the order of the input:
--        credited      the user has this portion of the share, now (is_new) or since before; amount as booked
--        empty         all portions are gone
--        taken         the packet was granted in the claim's epoch or before, but not to the owner that the claim names
--        expired       the owner can never be granted the packet in the claim's epoch any more, or the event is another one
--                      or is being settled
--        no_grant_yet  the owner's open is not settled yet: ask again. All other outcomes are final (7).
-- errors: 40001, 40P01: nothing is booked, repeat the batch. Class 22 and 23: some claim can never be booked.
--
-- Locks, in the order of settle_opens: 1. the event, shared  2. wallets by name  3. the grants of the packets, by packet: they
-- make the portions of one packet be given one after the other. What needs no booking takes no locks and makes no wallet, so
-- that the thousands who come too late to a share write nothing. Planner settings: see settle_opens.
CREATE OR REPLACE FUNCTION settle_grabs(
  packet_ids      bigint[],
  event_ids       int[],
  owner_ids       text[],
  user_ids        text[],
  epochs          int[],
  accepted_at_mss bigint[],
  portion_offsets int[],
  portion_counts  int[],
  portions_fen    bigint[]
) RETURNS TABLE (outcome text, booked_portion int, booked_fen bigint, is_new boolean)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
SET enable_material = off
AS $$
DECLARE
  hopefuls      boolean[];
  outcomes      text[];
  portions      int[];
  fens          bigint[];
  news          boolean[];
  accounts_of   bigint[];
  pools_of      bigint[];
  new_count     int;
  booked_count  int;
  misfit        bigint;
BEGIN
  IF num_nonnulls(array_position(packet_ids, NULL), array_position(event_ids, NULL), array_position(owner_ids, NULL),
      array_position(user_ids, NULL), array_position(epochs, NULL), array_position(accepted_at_mss, NULL),
      array_position(portion_offsets, NULL), array_position(portion_counts, NULL)) > 0
    OR NOT cardinality(packet_ids) = ALL (ARRAY[cardinality(event_ids), cardinality(owner_ids), cardinality(user_ids),
      cardinality(epochs), cardinality(accepted_at_mss), cardinality(portion_offsets), cardinality(portion_counts)])
    OR (SELECT count(*) <> count(DISTINCT (c.packet_id, c.user_id))
        FROM unnest(packet_ids, user_ids) AS c (packet_id, user_id))
  THEN
    RAISE EXCEPTION 'a batch of grabs has distinct (packet, user), no NULL and arrays of one length' USING ERRCODE = 'invalid_parameter_value';
  END IF;

  PERFORM pg_advisory_xact_lock_shared(7301, w.event_id)
  FROM (SELECT DISTINCT e.id AS event_id FROM unnest(event_ids) AS e (id) ORDER BY e.id) w;

  -- who could get a portion; the others' outcomes rest on facts that never turn back
  SELECT array_agg((
      c.portion_count > 0 AND g.account_id = o.id AND g.epoch = c.epoch AND e.id = c.event_id AND e.settling_at IS NULL
      AND (SELECT true FROM grabs x WHERE x.packet_id = c.packet_id AND x.portion = c.portion_count) IS NULL
      AND (
        SELECT true FROM grabs x WHERE x.packet_id = c.packet_id
          AND x.account_id = (SELECT a.id FROM accounts a WHERE a.kind = 'wallet' AND a.name = c.user_id)
      ) IS NULL
    ) IS TRUE ORDER BY c.ord)
  INTO hopefuls
  FROM unnest(packet_ids, event_ids, owner_ids, user_ids, epochs, portion_counts) WITH ORDINALITY
    AS c (packet_id, event_id, owner_id, user_id, epoch, portion_count, ord)
  LEFT JOIN LATERAL (SELECT id FROM accounts WHERE kind = 'wallet' AND name = c.owner_id LIMIT 1) o ON true
  LEFT JOIN LATERAL (SELECT * FROM grants WHERE packet_id = c.packet_id LIMIT 1) g ON true
  LEFT JOIN LATERAL (SELECT * FROM events WHERE id = g.event_id LIMIT 1) e ON true;

  INSERT INTO accounts (kind, name, balance_fen)
  SELECT 'wallet', w.name, 0
  FROM (SELECT DISTINCT c.user_id COLLATE "C" AS name
        FROM unnest(user_ids, hopefuls) AS c (user_id, is_hopeful) WHERE c.is_hopeful) w
  WHERE (SELECT true FROM accounts a WHERE a.kind = 'wallet' AND a.name = w.name) IS NULL
  ORDER BY w.name
  ON CONFLICT (kind, name) DO NOTHING;

  PERFORM FROM accounts a
  WHERE a.kind = 'wallet'
    AND a.name = ANY (ARRAY(SELECT c.user_id FROM unnest(user_ids, hopefuls) AS c (user_id, is_hopeful) WHERE c.is_hopeful))
  ORDER BY a.name
  FOR UPDATE;

  PERFORM FROM grants g
  WHERE g.packet_id = ANY (ARRAY(SELECT c.packet_id FROM unnest(packet_ids, hopefuls) AS c (packet_id, is_hopeful)
                                 WHERE c.is_hopeful))
  ORDER BY g.packet_id
  FOR UPDATE;

  WITH claim AS (
    SELECT c.*,
      (SELECT a.id FROM accounts a WHERE a.kind = 'wallet' AND a.name = c.user_id) AS account_id,
      (SELECT a.id FROM accounts a WHERE a.kind = 'wallet' AND a.name = c.owner_id) AS owner_account_id
    FROM unnest(packet_ids, event_ids, owner_ids, user_ids, epochs, accepted_at_mss, portion_offsets, portion_counts,
      hopefuls) WITH ORDINALITY
      AS c (packet_id, event_id, owner_id, user_id, epoch, accepted_at_ms, portion_offset, portion_count, is_hopeful, ord)
    OFFSET 0
  ), known AS (
    SELECT c.*, g.epoch AS granted_epoch, x.portion AS grabbed_portion, x.amount_fen AS grabbed_fen,
      p.account_id AS pool_account_id, p.share_portions,
      (g.account_id = c.owner_account_id AND g.epoch = c.epoch) IS TRUE AS is_owners,
      (p.event_id = c.event_id) IS TRUE AS is_of_event,
      (p.event_id = c.event_id AND e.settling_at IS NULL) IS TRUE AS is_event_open,
      (b.state <> 'closed' AND b.epoch <= c.epoch) IS TRUE AS is_grant_possible,
      coalesce((
        SELECT t.portion FROM grabs t WHERE t.packet_id = c.packet_id ORDER BY t.portion DESC LIMIT 1
      ), 0) AS taken
    FROM claim c
    LEFT JOIN LATERAL (SELECT * FROM grants WHERE packet_id = c.packet_id LIMIT 1) g ON true
    LEFT JOIN LATERAL (
      SELECT * FROM grabs WHERE packet_id = c.packet_id AND account_id = c.account_id LIMIT 1
    ) x ON true
    LEFT JOIN LATERAL (SELECT * FROM pools WHERE id = (c.packet_id >> 39)::int LIMIT 1) p ON true
    LEFT JOIN LATERAL (SELECT * FROM events WHERE id = p.event_id LIMIT 1) e ON true
    LEFT JOIN LATERAL (
      SELECT * FROM blocks WHERE pool_id = p.id AND block_no = ((c.packet_id >> 8) & 2147483647)::int LIMIT 1
    ) b ON true
    OFFSET 0
  ), ranked AS (
    SELECT k.*,
      k.taken + count(*) FILTER (WHERE k.is_hopeful AND k.grabbed_portion IS NULL) OVER (
        PARTITION BY k.packet_id ORDER BY k.accepted_at_ms, k.ord
      ) AS portion
    FROM known k
  ), decided AS (
    SELECT r.*,
      CASE
        -- granted in a later epoch: the claim's had lapsed before, which is told below as it was before that grant
        WHEN r.granted_epoch <= r.epoch AND NOT r.is_owners THEN 'taken'
        WHEN r.is_owners AND r.grabbed_portion IS NOT NULL THEN 'credited'
        WHEN r.is_owners AND r.is_of_event AND r.taken >= r.portion_count THEN 'empty'
        WHEN NOT r.is_event_open THEN 'expired'
        WHEN NOT r.is_owners THEN CASE WHEN r.is_grant_possible THEN 'no_grant_yet' ELSE 'expired' END
        -- granted since the hopefuls were looked for: no lock is held
        WHEN NOT r.is_hopeful THEN 'no_grant_yet'
        WHEN r.portion > r.portion_count THEN 'empty'
        ELSE 'new'
      END AS verdict
    FROM ranked r
  )
  SELECT
    array_agg(CASE d.verdict WHEN 'new' THEN 'credited' ELSE d.verdict END ORDER BY d.ord),
    array_agg(CASE d.verdict WHEN 'new' THEN d.portion WHEN 'credited' THEN d.grabbed_portion END ORDER BY d.ord),
    array_agg(CASE d.verdict WHEN 'new' THEN portions_fen[d.portion_offset + d.portion]
                             WHEN 'credited' THEN d.grabbed_fen END ORDER BY d.ord),
    array_agg(d.verdict = 'new' ORDER BY d.ord),
    array_agg(d.account_id ORDER BY d.ord),
    array_agg(d.pool_account_id ORDER BY d.ord),
    count(*) FILTER (WHERE d.verdict = 'new'),
    min(d.packet_id) FILTER (WHERE d.verdict = 'new' AND d.portion_count <> d.share_portions)
  INTO outcomes, portions, fens, news, accounts_of, pools_of, new_count, misfit
  FROM decided d;

  IF misfit IS NOT NULL THEN
    RAISE EXCEPTION 'the portions of packet % are not as many as its pool says', misfit USING ERRCODE = 'check_violation';
  END IF;

  IF new_count > 0 THEN
    INSERT INTO grabs (packet_id, portion, event_id, account_id, amount_fen, accepted_at_ms)
    SELECT n.packet_id, n.portion, n.event_id, n.account_id, n.amount_fen, n.accepted_at_ms
    FROM unnest(packet_ids, portions, event_ids, accounts_of, fens, accepted_at_mss, news)
      AS n (packet_id, portion, event_id, account_id, amount_fen, accepted_at_ms, is_new)
    WHERE n.is_new
    ORDER BY n.packet_id, n.portion
    ON CONFLICT (packet_id, portion) DO NOTHING;
    GET DIAGNOSTICS booked_count = ROW_COUNT;
    IF booked_count <> new_count THEN
      RAISE EXCEPTION 'a portion of the batch was given meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;

    INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id)
    SELECT 'grab', n.packet_id, n.portion, n.pool_account_id, n.account_id, n.amount_fen, n.event_id, n.packet_id >> 39
    FROM unnest(packet_ids, portions, event_ids, accounts_of, pools_of, fens, news)
      AS n (packet_id, portion, event_id, account_id, pool_account_id, amount_fen, is_new)
    WHERE n.is_new
    ORDER BY n.packet_id, n.portion;

    UPDATE accounts a SET balance_fen = a.balance_fen + w.amount_fen
    FROM (SELECT n.account_id, sum(n.amount_fen)::bigint AS amount_fen
          FROM unnest(accounts_of, fens, news) AS n (account_id, amount_fen, is_new)
          WHERE n.is_new GROUP BY n.account_id) w
    WHERE a.id = w.account_id;
  END IF;

  RETURN QUERY
  SELECT d.outcome, d.portion, d.amount_fen, d.is_new
  FROM unnest(outcomes, portions, fens, news) WITH ORDINALITY AS d (outcome, portion, amount_fen, is_new, ord)
  ORDER BY d.ord;
END
$$;
