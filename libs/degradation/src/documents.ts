/*
 * The document is kept in two places, and each has the last word on its part of it:
 *
 *   PostgreSQL  what operators asked for: saved there, with its audit entry, before anybody hears of it
 *   Redis       what the controller holds right: told there at once, also while PostgreSQL is away, and saved later
 *
 * Processes keep the highest version they ever heard of, so a version stands for one document: where the two places differ, the next
 * document passes both.
 */
import { isDeepStrictEqual } from 'node:util';
import type { DegradationState } from '#libs/contracts';
import { askedPartOf, autoPartOf } from './state.ts';

/**
 * The document that both places are to have: `saved` is PostgreSQL's, `heard` the newest that was ever read in Redis. One of the two
 * where it says all, else a new one of a version above both.
 */
export function documentToKeep(saved: DegradationState, heard: DegradationState | undefined): DegradationState {
  if (heard === undefined || heard.version < saved.version) return saved;
  if (heard.version > saved.version && isDeepStrictEqual(askedPartOf(heard), askedPartOf(saved))) return heard;
  if (isDeepStrictEqual(heard, saved)) return saved;
  const updatedAtMs = Math.max(saved.updatedAtMs, heard.updatedAtMs);
  return { ...askedPartOf(saved), ...autoPartOf(heard), version: heard.version + 1, updatedAtMs };
}
