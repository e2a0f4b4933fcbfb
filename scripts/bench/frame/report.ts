import type { Machine } from './machine.ts';
import type { Bar, Figures, Row, SuiteReport } from './suite.ts';

export interface BenchReport {
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly reports: ReadonlyMap<string, SuiteReport>;
}

/** The table of ratios: what was measured, what beside it, and the bars. */
export function tableOf({ reports }: BenchReport): string[] {
  const head = ['', 'value', 'beside it', 'ratio', 'bar'];
  const lines = [...reports].flatMap(([suite, { rows }]) => [[suite], ...rows.map(cellsOf)]);
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((cells) => cells[column]?.length ?? 0)));
  const text = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  return [text(head), ...lines.map(text)].map((line) => line.trimEnd());
}

function cellsOf({ name, value, beside = '', ratio, bar }: Row): string[] {
  return [
    `  ${name}`,
    value,
    beside,
    ratio === undefined ? '' : ratio.toFixed(2),
    bar === undefined ? '' : barText(bar),
  ];
}

function barText({ sense, bar, holds }: Bar): string {
  return `${sense === 'at least' ? '≥' : '≤'} ${numberText(bar)} ${holds ? 'holds' : 'FAILS'}`;
}

/** `{machine, figures, bars}`; figures by suite and part. */
export function jsonOf({ machine, isQuick, reports }: BenchReport): {
  machine: Machine;
  isQuick: boolean;
  figures: Figures;
  bars: Bar[];
  refusals: string[];
} {
  const all = [...reports];
  return {
    machine,
    isQuick,
    figures: Object.fromEntries(all.map(([suite, { figures }]) => [suite, figures])),
    bars: all.flatMap(([, { rows }]) => rows.flatMap(({ bar }) => (bar === undefined ? [] : [bar]))),
    refusals: all.flatMap(([suite, { refusals }]) => refusals.map((refusal) => `${suite}/${refusal}`)),
  };
}

/** A number as people read it: three significant digits below 1000, thousands apart above. */
export function numberText(value: number): string {
  if (Math.abs(value) < 1000) return String(Number(value.toPrecision(3)));
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
}
