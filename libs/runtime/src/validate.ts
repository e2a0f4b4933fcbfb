import type { z } from 'zod';
import { ProblemError } from './problem.ts';

const faultsShownMax = 20;

/**
 * Parses request input by its contract.
 * @throws ProblemError `bad_request` whose detail names every fault (the first 20) with its path.
 */
export function validate<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, faultsShownMax).map((issue) => {
    const path = issue.path.join('.');
    return path ? `${path}: ${issue.message}` : issue.message;
  });
  throw new ProblemError('bad_request', faults.join('; '));
}
