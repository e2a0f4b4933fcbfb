export * from './breaker.ts';
export * from './repeat-budget.ts';
