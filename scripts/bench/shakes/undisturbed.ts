import { RefusedError } from '../frame/suite.ts';
import type { Place } from './place.ts';

const attemptsMax = 4;

/** Measures, and again when it was not what was meant. @throws RefusedError when the last attempt was not either. */
export async function untilUndisturbed<T>(place: Place, measure: () => Promise<T>): Promise<T> {
  for (let left = attemptsMax; ; left -= 1) {
    try {
      return await measure();
    } catch (error) {
      if (!(error instanceof RefusedError) || left <= 1) throw error;
      place.context.say(`  once more: ${error.message}`);
    }
  }
}
