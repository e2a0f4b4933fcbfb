import { type AskedTier, backlogJobsMin, controlTiming, signalKeys, signalOf } from './signals.ts';

const tiers: readonly AskedTier[] = [1, 2, 3, 4, 5];
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function signalTable(): string {
  const head = ['signal', 'what it is', 'unit', ...tiers.map(String), 'why'];
  const rows = signalKeys.map((key) => {
    const { title, unit, asks, reason } = signalOf(key);
    return [`\`${key}\``, title, unit, ...tiers.map((tier) => String(asks[tier] ?? '')), reason];
  });
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

const seconds = (ms: number): string => `${ms / 1000} s`;

/** `docs/degradation-control.md`, made from the signals and the timing; a test holds the file equal. */
export function renderControlPage(): string {
  const { riseAfterMs, riseGapMs, fallAfterMs, fallGapMs, calmFactor } = controlTiming;
  return `# How the tier is found

This page is made from \`libs/degradation/src/signals.ts\`; \`npm test\` holds them equal. What yields at each tier is told in
[degradation.md](degradation.md).

Two loops keep a peak from taking the system down. Each process paces and admits for itself, many times a second; this page is about the
other one: each second operations looks at the whole and sets a tier from 0 (everything is served) to 5 (opens and settlement only).

## Signals

Each signal asks for a tier from the value in that tier's column on, and lets go of it below ${calmFactor * 100} % of that value. The highest tier that any
signal asks for counts. All thresholds are in one file, \`libs/degradation/src/signals.ts\`.

${signalTable()}

A lane is behind when more than ${backlogJobsMin} of its jobs are accepted and not settled; it is as far behind as its oldest ones but ${backlogJobsMin}, and no further than the
time for which it has been seen behind. "At least half of the gateways": one sick gateway of many is no reason to step back everywhere. A
gateway that has not given a sample for 3 s does not count. What is not known at the moment (a store that does not answer) asks for no
tier, and lets go of none that it could have asked for.

## Timing

- **Up:** to the highest tier that was asked for during ${seconds(riseAfterMs)} without a break, in one change, ${seconds(riseGapMs)} after the last change at the earliest.
- **Down:** by one tier, when the signals have let go of the present one for ${seconds(fallAfterMs)}, ${seconds(fallGapMs)} after the last change at the earliest. So the way from
  tier 5 back to 0 takes 45 to 50 s once the cause is gone.
- So there is at most one change up in ${seconds(riseGapMs)} and one down in ${seconds(fallGapMs)}, whatever the signals do: property tests hold the controller
  (\`tier-control.ts\`, a pure function) to it for any sequence, and for a simulated load that comes back whenever less is shed.

## Who sets it

Any number of operations processes may run; one of them leads. It holds a lease in Redis (5 s, kept each second, by the store's clock), and what it
writes is checked against the lease in the same script: a leader that was stopped and wakes after another took over writes nothing, however
late its command comes. When the leader ends in order the next one follows within a second; when it is killed, stopped or cut off, within 5 to 6 s.
The new one begins at the tier that holds, and waits as if it had just changed. A leader that fails in three steps in a row, and not because Redis is away, gives the lease back
and rests for 15 s.

The tier goes to Redis and to every process at once, and to PostgreSQL, with an entry in the audit log (\`degradation.auto_tier\`, with the signals
that asked), as soon as that can be written: a database that is away or drowned must not stand between the cause and the remedy. What
operators ask for goes to PostgreSQL first. Where the two places differ, the document of the next version takes the operators' part from PostgreSQL and
the controller's part from Redis.

| gone | the tier |
|---|---|
| the leading operations process | the last one, until another process leads |
| all operations processes | the last one, everywhere; pins and switches still end at their time |
| PostgreSQL | goes on; operators cannot change anything meanwhile (503) |
| Redis | the last one, everywhere: nobody could be told another. Signals count anew when it is back |
| a process that cannot hear | the last one it heard, until its push or poll works again |

## What operators see

\`GET /ops/v1/degradation\` says under \`auto\` which tier the controller holds right and why, also while an operator's pin is in force, and under
\`control\` who leads and what each signal shows and asks for. \`control\` is absent while nobody leads. Operations' metrics:

| metric | says |
|---|---|
| \`hongbao_tier\` | the tier in force |
| \`hongbao_tier_auto\` | the tier that the controller holds right |
| \`hongbao_is_tier_leader\` | 1 in the process that leads |
| \`hongbao_tier_signal{signal}\` | each signal, in the process that leads |
| \`hongbao_tier_changes_total{direction}\` | changes that this process made as leader |
| \`hongbao_gateway_samples_passed_over_total\` | samples that could not be read |

\`TIER_CONTROL=off\` makes operations watch and show the signals and stay at tier 0 by itself; operators' pins and floors work as ever. It is meant for
tests and measurements on machines that are busy with something else; a pin to tier 0 does the same for a running system.

\`\`\`yaml
groups:
  - name: hongbao-tier
    rules:
      - alert: HongbaoSteppedBack
        expr: max(hongbao_tier) >= 3
        for: 1m
        labels: { severity: page }
        annotations:
          summary: 'Tier {{ $value }} for a minute: grabs are put off, from tier 4 on shakes are thinned'
      - alert: HongbaoTierHasNoLeader
        expr: (sum(hongbao_is_tier_leader) or vector(0)) < 1
        for: 1m
        labels: { severity: ticket }
        annotations:
          summary: 'No operations process sets the tier: the last one stays'
      - alert: HongbaoPinHidesTrouble
        expr: max(hongbao_tier_auto) - max(hongbao_tier) >= 2
        for: 1m
        labels: { severity: ticket }
        annotations:
          summary: 'A pin holds the tier {{ $value }} below what the signals ask for'
\`\`\`
`;
}
