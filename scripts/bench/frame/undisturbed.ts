import { type BenchContext, RefusedError } from './suite.ts';

const attemptsMax = 4;

/** Measures, and again when it was not what was meant. @throws RefusedError when the last attempt was not either. */
export async function untilUndisturbed<T>(
  { context }: { readonly context: Pick<BenchContext, 'say'> },
  measure: () => Promise<T>,
): Promise<T> {
  for (let left = attemptsMax; ; left -= 1) {
    try {
      return await measure();
    } catch (error) {
      if (!(error instanceof RefusedError) || left <= 1) throw error;
      context.say(`  once more: ${error.message}`);
    }
  }
}
