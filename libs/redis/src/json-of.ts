/** What a text says; undefined when it is no JSON: whoever asks has a schema, which refuses that too. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
