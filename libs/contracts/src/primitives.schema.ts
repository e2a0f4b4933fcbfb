/** Field types that several contracts share. */
import { z } from 'zod';

export const bodyBytesMax = 4096;
export const opsBodyBytesMax = 1024 * 1024;
/** One digit more than the largest value: longer texts are refused before they are parsed. */
const packetIdDigitsMax = 19;

export const userIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
  .describe('1 to 64 letters, digits, dot, underscore, hyphen; starts with a letter or digit');
export const eventIdSchema = z.string().regex(/^[1-9]\d{0,9}$/);
export const packetIdSchema = z.string().regex(new RegExp(`^[1-9]\\d{0,${packetIdDigitsMax - 1}}$`));
export const fenSchema = z.int().min(0).describe('integer fen; 100 fen = 1 yuan');
/** Four digits of a year, in UTC too: an offset can lead out of them, and what then is written is read by nobody. */
const isWritable = (text: string): boolean => {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && isoOf(ms).length === 'yyyy-mm-ddThh:mm:ss.mmmZ'.length;
};
export const instantSchema = z.iso
  .datetime({ offset: true })
  .refine(isWritable, 'must lie in the years 0 to 9999 of UTC')
  .describe('ISO 8601 instant');
/** Of any length that a body can hold: a token that is too long is an invalid token like any other that is garbled. */
export const tokenSchema = z.string().min(1).max(bodyBytesMax);
const unprintable = /(?![\t\n\r])[\p{Cc}\p{Cs}]/u;
/** Text for people, 1 to `charsMax` characters without the blanks around it: what no database keeps and no screen shows is refused. */
export const plainTextSchema = (charsMax: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(charsMax)
    .refine((text) => !unprintable.test(text), 'must hold no control characters and no halves of characters');
export const tierSchema = z.int().min(0).max(5);
export const sponsorRefSchema = z.object({ id: z.string(), name: z.string() });

/** ISO 8601 UTC text of store-clock milliseconds. */
export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** What a gateway process is there for: everything, shakes alone, or everything but shakes. */
export const gatewayRoleSchema = z.enum(['all', 'shake', 'money']);
