import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sample } from './progress.ts';
import { proofLine } from './proof.ts';
import type { RehearsalResult } from './rehearsal.ts';

/** Violations listed in full; one fault often shows a thousand times. */
const violationsShownMax = 200;

/** The end of the run for the terminal; the money proof comes last. */
export function summaryLines(result: RehearsalResult): string[] {
  const outcomes = Object.entries(result.outcomes)
    .filter(([, counts]) => Object.keys(counts).length > 0)
    .map(([group, counts]) => `${group.padEnd(10)}  ${countsText(counts)}`);
  const latencies = Object.entries(result.latencies).map(
    ([name, { count, p50Ms, p90Ms, p99Ms, maxMs }]) =>
      `${name.padEnd(14)} ${String(count).padStart(8)} ${[p50Ms, p90Ms, p99Ms, maxMs].map((ms) => String(ms).padStart(9)).join(' ')}`,
  );
  return [
    '',
    'outcomes',
    ...outcomes.map((line) => `  ${line}`),
    '',
    'latency ms         count       p50       p90       p99       max',
    ...latencies.map((line) => `  ${line}`),
    `  (the driver's own timers ran up to ${result.driverDelayP99Ms} ms late, p99)`,
    '',
    ...violationLines(result.violations),
    `before settlement  ${proofLine(result.beforeSettle)}`,
  ];
}

/** The line that the run ends with. */
export function lastLine(result: RehearsalResult): string {
  return result.afterSettle ? proofLine(result.afterSettle) : 'NOT SETTLED: no proof';
}

function violationLines(violations: readonly string[]): string[] {
  if (violations.length === 0) return ['no violations'];
  const shown = violations.slice(0, violationsShownMax).map((violation) => `  VIOLATION ${violation}`);
  const rest = violations.length - shown.length;
  return [`${violations.length} violations`, ...shown, ...(rest > 0 ? [`  and ${rest} more`] : [])];
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(' · ');
}

/** Writes `summary.json` and a `report.html` that needs nothing beside it. @returns the folder. */
export async function writeReport(result: RehearsalResult, reportsDir: string): Promise<string> {
  const dir = join(reportsDir, result.startedAt.replaceAll(':', '-').replace(/\.\d+Z$/, 'Z'));
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'summary.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  await writeFile(join(dir, 'report.html'), reportHtml(result));
  return dir;
}

/** The report as one HTML page. */
export function reportHtml(result: RehearsalResult): string {
  const { options, violations } = result;
  const title = `Rehearsal of event ${result.eventId}`;
  const isGood = violations.length === 0;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}.good{color:#137333}.bad{color:#b00020}
svg{width:100%;height:8rem;background:#fafafa;border:1px solid #ddd}
</style></head><body>
<h1>${title}</h1>
<p>${escapeHtml(result.startedAt)}: ${options.users} users, ${options.packets} packets, seed ${options.seed}</p>
<h2 class="${isGood ? 'good' : 'bad'}">${isGood ? 'No violations' : `${violations.length} violations`}</h2>
${violations.length === 0 ? '' : `<ul>${violations.slice(0, violationsShownMax).map(listItem).join('')}</ul>`}
<h2>Money proof</h2>
<p>before settlement: ${escapeHtml(proofLine(result.beforeSettle))}<br>after: ${escapeHtml(lastLine(result))}</p>
<h2>Latency (ms)</h2>
${table(
  ['', 'count', 'p50', 'p90', 'p99', 'max'],
  Object.entries(result.latencies).map(([name, l]) => [name, l.count, l.p50Ms, l.p90Ms, l.p99Ms, l.maxMs]),
)}
<h2>Shakes per second</h2>${chart(result.samples, ({ shakesPerSecond }) => shakesPerSecond)}
<h2>Packets credited</h2>${chart(result.samples, ({ credited }) => credited)}
<h2>Opens without an outcome yet</h2>${chart(result.samples, ({ opening }) => opening)}
<h2>Outcomes</h2>
${table(
  ['', 'outcome', 'count'],
  Object.entries(result.outcomes).flatMap(([group, counts]) =>
    Object.entries(counts).map(([outcome, count]) => [group, outcome, count]),
  ),
)}
</body></html>
`;
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const row = (cells: readonly (string | number)[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(String(cell))}</${tag}>`).join('')}</tr>`;
  return `<table>${row(head, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`;
}

/** A line over the seconds of the night, scaled to its own maximum, which is written beside it. */
function chart(samples: readonly Sample[], figureOf: (sample: Sample) => number): string {
  const values = samples.map(figureOf);
  const most = Math.max(1, ...values);
  const stepX = 1000 / Math.max(1, values.length - 1);
  const points = values.map(
    (value, index) => `${(index * stepX).toFixed(1)},${(100 - (value / most) * 95).toFixed(1)}`,
  );
  return `<svg viewBox="0 0 1000 100" preserveAspectRatio="none"><polyline fill="none" stroke="#c5221f" stroke-width="2" vector-effect="non-scaling-stroke" points="${points.join(' ')}"/></svg><p>at most ${most}, over ${values.length} seconds</p>`;
}

function listItem(text: string): string {
  return `<li>${escapeHtml(text)}</li>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
