import { createCipheriv, createHmac } from 'node:crypto';
import type { Fen } from './money.ts';
import { packetRefOf } from './packet-id.ts';
import { type PoolPlan, packetShareBudgetFen, packetsInRun, runBudgetFen } from './pool-plan.ts';

/*
 * NORMATIVE: how amounts are derived. This text is the published proof's algorithm: an outsider who has the revealed secret
 * and the committed plan gets the same amounts from it in any language. It may change only together with the "v1" in its labels.
 *
 * Notation: ‖ joins bytes; u32 and u64 are big-endian unsigned integers; floor and ceil are of exact fractions; labels are
 * ASCII; positions, packets, blocks and runs count from 0.
 *
 * A packet id is packetId = poolId · 2^39 + blockNo · 2^8 + index. It means packet blockNo · blockSize + index of its pool,
 * where blockSize is the pool's in the committed plan. A run is 256 packets of a pool that follow each other, packet k being in run
 * floor(k / 256) at position k mod 256; the last run of a pool may be shorter.
 *
 * 1. Key.       Packets of a run:     K = HMAC-SHA-256(secret, "hongbao/v1/amounts"  ‖ 0x00 ‖ u32 poolId ‖ u32 runNo).
 *               Portions of a packet: K = HMAC-SHA-256(secret, "hongbao/v1/portions" ‖ 0x00 ‖ u64 packetId).
 * 2. Keystream. AES-256 in CTR mode under K, with an initial counter block of 16 zero bytes that counts up as one 128-bit
 *               big-endian number, over zero bytes. It is read as a sequence of u64 words.
 * 3. Draw(n),   an integer uniform in [0, n) for 1 ≤ n ≤ 2^53. If n = 1 it is 0 and no word is read. Else read the next
 *               word and let v be its top 53 bits (word >> 11); if v ≥ 2^53 − (2^53 mod n), read the next word and try
 *               again; the draw is v mod n.
 * 4. Split      of an amount R over m positions within [min, max], where m · min ≤ R ≤ m · max. While m > 1:
 *                 if R − m · min ≤ m · max − R:  low = min,                  high = floor(2R / m) − min;
 *                 else:                          low = ceil(2R / m) − max,   high = max;
 *                 this position gets x = low + Draw(high − low + 1); then R = R − x, m = m − 1, on to the next position.
 *               The last position gets what is left of R.
 * 5. Shuffle.   With the same keystream, for i from the last position down to 1: swap positions i and Draw(i + 1).
 *
 * Amounts of a run: split and shuffle its budget over its packets within [minFen, maxFen], position by position. Of a pool of N
 * packets with budget B, the run of packets [s, e) has the budget floor(B · e / N) − floor(B · s / N), where s = runNo · 256 and
 * e = min(s + 256, N).
 *
 * Portions of a packet: split and shuffle the packet's share budget over `sharePortions` within [1, the share budget];
 * portion p (from 1) gets position p − 1. With share budget S, packet k of the pool has floor(S · (k + 1) / N) − floor(S · k / N).
 *
 * Why this way. Step 4 is the double-mean method: a position's range lies around the mean R / m of what is left, so that all
 * positions expect the same, but for the rounding of a range's end. The range is cut on both sides alike by the nearer bound,
 * which keeps the rest feasible: with low = min, R − high ≥ R − 2R/m + min ≥ (m − 1) · min, and R − low ≤ (m − 1) · max because
 * 2R ≤ m · (min + max); the other case mirrors it. Later positions have more spread than earlier ones; step 5 makes all
 * positions exchangeable, so that being early or late is worth nothing. Runs are cut from the pool's packets, not from its blocks:
 * how small the blocks are that packets are handed out in must not make the amounts dull.
 */

const amountsLabel = Buffer.from('hongbao/v1/amounts\0', 'latin1');
const portionsLabel = Buffer.from('hongbao/v1/portions\0', 'latin1');

/** Bytes of an event's secret, at least: the strength of the hash that keys everything. */
export const eventSecretBytesMin = 32;

/**
 * The amounts in fen of all packets of a run, by position (`runPositionOf`): they sum to the run's budget exactly and lie within the
 * plan's bounds. Expects a plan without faults; throws a RangeError for a run that the pool does not have or a short secret.
 */
export function deriveRunAmounts(secret: Buffer, plan: PoolPlan, runNo: number): Fen[] {
  const count = packetsInRun(plan, runNo);
  const seed = Buffer.allocUnsafe(8);
  seed.writeUInt32BE(plan.poolId, 0);
  seed.writeUInt32BE(runNo, 4);
  const keystream = new Keystream(secret, amountsLabel, seed, count);
  return split(keystream, runBudgetFen(plan, runNo), count, plan.minFen, plan.maxFen);
}

/**
 * The portions in fen of a packet's share, first portion first; empty when the pool has no shares. They sum to the packet's
 * share budget exactly and each has at least 1 fen. Throws a RangeError for a packet that the pool does not have or a short secret.
 */
export function derivePortions(secret: Buffer, plan: PoolPlan, packetId: bigint): Fen[] {
  const budgetFen = packetShareBudgetFen(plan, packetRefOf(packetId));
  if (plan.sharePortions === 0) return [];
  const seed = Buffer.allocUnsafe(8);
  seed.writeBigUInt64BE(packetId, 0);
  const keystream = new Keystream(secret, portionsLabel, seed, plan.sharePortions);
  return split(keystream, budgetFen, plan.sharePortions, 1, budgetFen);
}

/** Steps 4 and 5. All quantities stay under 2^53: at most 256 positions of at most `packetFenMax`. */
function split(keystream: Keystream, amountFen: Fen, count: number, min: Fen, max: Fen): Fen[] {
  const amounts = new Array<Fen>(count);
  let rest = amountFen;
  for (let left = count; left > 1; left--) {
    const nearMin = rest - left * min <= left * max - rest;
    const low = nearMin ? min : Math.ceil((2 * rest) / left) - max;
    const high = nearMin ? Math.floor((2 * rest) / left) - min : max;
    const amount = low + keystream.draw(high - low + 1);
    amounts[count - left] = amount;
    rest -= amount;
  }
  amounts[count - 1] = rest;
  shuffle(keystream, amounts);
  return amounts;
}

function shuffle(keystream: Keystream, amounts: Fen[]): void {
  for (let i = amounts.length - 1; i > 0; i--) {
    const j = keystream.draw(i + 1);
    const swap = amounts[i]!;
    amounts[i] = amounts[j]!;
    amounts[j] = swap;
  }
}

const wordBytes = 8;
/** Words made at a time at most: what a full run needs (two draws per packet) but for rejected words. */
const chunkWordsMax = 512;
const zeros = Buffer.alloc(chunkWordsMax * wordBytes);
const zeroIv = Buffer.alloc(16);
const drawRange = 2 ** 53;

/** Steps 1 to 3: a reader of one keystream. */
class Keystream {
  readonly #cipher;
  readonly #chunkBytes: number;
  #chunk: Buffer = zeros.subarray(0, 0);
  #at = 0;

  constructor(secret: Buffer, label: Buffer, seed: Buffer, count: number) {
    if (secret.length < eventSecretBytesMin) throw new RangeError(`secret has less than ${eventSecretBytesMin} bytes`);
    const key = createHmac('sha256', secret).update(label).update(seed).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, zeroIv);
    this.#chunkBytes = Math.min(count * 2, chunkWordsMax) * wordBytes;
  }

  draw(range: number): number {
    if (range === 1) return 0;
    const limit = drawRange - (drawRange % range);
    for (;;) {
      const value = this.#next53Bits();
      if (value < limit) return value % range;
    }
  }

  #next53Bits(): number {
    if (this.#at === this.#chunk.length) {
      this.#chunk = this.#cipher.update(zeros.subarray(0, this.#chunkBytes));
      this.#at = 0;
    }
    const high = this.#chunk.readUInt32BE(this.#at);
    const low = this.#chunk.readUInt32BE(this.#at + 4);
    this.#at += wordBytes;
    return high * 0x20_0000 + (low >>> 11);
  }
}
