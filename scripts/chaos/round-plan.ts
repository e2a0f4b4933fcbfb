/*
 * What a round is made of: an event, a crowd and a schedule of faults. Plain JSON, made from a seed, written down when the round fails,
 * and read back by `--replay`. Times are milliseconds after the event's start unless a name says otherwise.
 */
import { z } from 'zod';

export const serviceNames = ['allocation-0', 'allocation-1', 'share', 'ops', 'gateway-0', 'gateway-1'] as const;
export const serverNames = ['redis', 'postgres'] as const;
export const linkNames = [
  'clients>gateway-0',
  'clients>gateway-1',
  'gateways>allocation',
  'gateways>share',
  'gateway-0>redis',
  'gateway-1>redis',
  'share>redis',
  'ops>redis',
  'allocation-0>redis',
  'allocation-1>redis',
  'allocation-0>postgres',
  'allocation-1>postgres',
  'share>postgres',
  'ops>postgres',
] as const;
export const gatewayNames = ['gateway-0', 'gateway-1'] as const;
export const allocationNames = ['allocation-0', 'allocation-1'] as const;

export type ServiceName = (typeof serviceNames)[number];
export type ServerName = (typeof serverNames)[number];
export type LinkName = (typeof linkNames)[number];

const ms = z.int().min(0).max(600_000);
const at = { atMs: ms };
const during = { atMs: ms, forMs: ms };
const process = z.enum([...serviceNames, ...serverNames]);
const link = z.enum(linkNames);

export const faultSchema = z.discriminatedUnion('kind', [
  /** SIGKILL; started again `downMs` later. */
  z.strictObject({ kind: z.literal('kill'), target: process, ...at, downMs: ms }),
  /** SIGSTOP, with its children, and SIGCONT after `forMs`. */
  z.strictObject({ kind: z.literal('stop'), target: process, ...during }),
  /** Ended in order and started again. */
  z.strictObject({ kind: z.literal('restart'), target: process, ...at }),
  /** Connections are cut, and refused for `forMs`. */
  z.strictObject({ kind: z.literal('cut'), link, ...during }),
  /** Everything on the link takes `byMs` longer, each way. */
  z.strictObject({ kind: z.literal('delay'), link, ...during, byMs: ms }),
  /** What is asked or answered on the link is lost, and its connections are cut at the end. */
  z.strictObject({ kind: z.literal('drop'), link, what: z.enum(['requests', 'replies']), ...during }),
  /** Every request of the clients also arrives a second time, at either gateway; its answers go nowhere. */
  z.strictObject({
    kind: z.literal('mirror'),
    link: z.enum(['clients>gateway-0', 'clients>gateway-1']),
    to: z.enum(gatewayNames),
    ...during,
  }),
  /** The wall clock of a process is wrong. */
  z.strictObject({
    kind: z.literal('clock'),
    target: z.enum(serviceNames),
    ...during,
    shiftMs: z.int().min(-10_000_000).max(10_000_000),
  }),
  /** Keys of Redis are gone: the stock lists, the stamp on them, or everything. */
  z.strictObject({ kind: z.literal('wipe'), what: z.enum(['stock', 'stamp', 'everything']), ...at }),
  /** Redis is killed at `swapAtMs`, and what starts on its port has the data of `atMs`. */
  z.strictObject({ kind: z.literal('rewind'), ...at, swapAtMs: ms, downMs: ms }),
  /** What jobs carry is put into its lane again, under another id, `laterMs` after it was seen there; outstanding all the time, if it was then. */
  z.strictObject({ kind: z.literal('jobs-again'), ...during, laterMs: ms }),
  /** Each reply to a gateway is heard twice. */
  z.strictObject({ kind: z.literal('replies-again'), ...during }),
  /** An operator pins a tier. */
  z.strictObject({ kind: z.literal('tier'), tier: z.int().min(1).max(5), ...during }),
  /** From then on an operator asks again and again for the event to be settled. */
  z.strictObject({ kind: z.literal('settle'), ...at }),
]);
export type Fault = z.infer<typeof faultSchema>;
export type FaultOf<Kind extends Fault['kind']> = Extract<Fault, { kind: Kind }>;

const part = z.number().min(0).max(1);

const eventSchema = z.strictObject({
  /** From start to end. */
  durationMs: ms.min(500),
  /** The one wave, from the start. */
  waveMs: ms.min(100),
  ticketTtlMs: z.int().min(1000).max(3000),
  blockLifeMs: z.int().min(500).max(3000),
  shakeIntervalMs: z.int().min(100).max(2000),
  perUserMax: z.int().min(1).max(16),
  reissue: z.enum(['event', 'wave', 'never']),
  /** Shares end this long after the event. */
  sharesLastMs: ms,
  /** One for each sponsor. */
  pools: z
    .array(
      z.strictObject({
        packetCount: z.int().min(1).max(100_000),
        meanFen: z.int().min(2).max(10_000),
        sharePortions: z.int().min(0).max(20),
        releaseCurve: z.enum(['even', 'front', 'back', 'burst']),
      }),
    )
    .min(1)
    .max(16),
});

const crowdSchema = z.strictObject({
  users: z.int().min(1).max(1000),
  /** Of users: shake on two phones that do not know of each other, one at each gateway. */
  withTwoPhones: part,
  /** Of requests that matter (open, grab, share): asked again on purpose. */
  repeats: part,
  /** Of tickets: the app is closed while it opens, and what it kept is taken up on the other phone, now or after the ticket's end. */
  brokenOff: part,
  /** Of tickets: never opened. */
  neverOpened: part,
  /** Of tickets: shared before they are opened, or without being opened at all. */
  sharedUnopened: part,
  /** Of credited packets: shared. */
  shared: part,
  /** Friends that are sent a share, at most. */
  friendsMax: z.int().min(0).max(30),
  /** Of tickets: opened just before or after they expire. */
  openedLate: part,
  /** A pending open is put into its lane again after so many polls: often hides from the others that the first was lost. */
  pollsPerReopen: z.int().min(1).max(1000),
  /** Tickets are kept and opened together, all those of a period at its end; 0: each for itself. */
  openTogetherMs: ms,
});

export const roundPlanSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1).max(40),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
  round: z.int().min(0),
  event: eventSchema,
  crowd: crowdSchema,
  faults: z.array(faultSchema).max(200),
});
export type RoundPlan = z.infer<typeof roundPlanSchema>;
export type EventShape = RoundPlan['event'];
export type CrowdShape = RoundPlan['crowd'];

/** True when a fault of the round makes Redis forget what it had acknowledged: such a store may lose a grab that nobody asks for again. */
export function losesStore(plan: Pick<RoundPlan, 'faults'>): boolean {
  return plan.faults.some((fault) => fault.kind === 'rewind' || (fault.kind === 'wipe' && fault.what === 'everything'));
}

/**
 * The first moment from which the store may be another one than the stock was laid on: started anew (it has another run id then), emptied,
 * replaced, or without its stamp. Undefined when no fault of the round does that.
 */
export function storeReplacedFromMs(plan: Pick<RoundPlan, 'faults'>): number | undefined {
  const moments = plan.faults.flatMap((fault) => {
    if (fault.kind === 'rewind') return fault.swapAtMs;
    if (fault.kind === 'wipe') return fault.what === 'stock' ? [] : fault.atMs;
    return (fault.kind === 'kill' || fault.kind === 'restart') && fault.target === 'redis' ? fault.atMs : [];
  });
  return moments.length === 0 ? undefined : Math.min(...moments);
}

/** The instant at which the fault is over by itself; when a process is ready again is another matter. */
export function faultEndMs(fault: Fault): number {
  switch (fault.kind) {
    case 'kill':
      return fault.atMs + fault.downMs;
    case 'rewind':
      return fault.swapAtMs + fault.downMs;
    case 'restart':
    case 'wipe':
    case 'settle':
      return fault.atMs;
    case 'jobs-again':
      return fault.atMs + fault.forMs + fault.laterMs;
    default:
      return fault.atMs + fault.forMs;
  }
}
