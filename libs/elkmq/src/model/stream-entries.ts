/** One entry of a stream: its id, and fields and values in turn. `null` means that it was deleted. */
export type StreamEntry = [id: string, fields: string[] | null];

/** The reply to a read of one stream, in bytes; `null` when the time was up. */
type Reply = [stream: Buffer, entries: [id: Buffer | string, fields: (Buffer | string)[] | null][]][] | null;

/**
 * Takes the entries out of a reply to XREAD or XREADGROUP in bytes. ioredis takes twice as long for strings.
 * The strings replace the bytes in place: new array literals could end up among V8's old objects (see
 * PlainEvent).
 */
export function takeEntries(reply: unknown): StreamEntry[] {
  const streams = (reply as Reply) ?? [];
  const entries = streams[0]?.[1] ?? [];
  // The promise of each read refers to its reply. An old reply would keep all later ones alive in V8.
  streams.length = 0;
  for (const entry of entries) {
    const [id, fields] = entry;
    entry[0] = textOf(id);
    if (!fields) continue;
    for (let i = 0; i < fields.length; i++) fields[i] = textOf(fields[i] as Buffer);
  }
  return entries as StreamEntry[];
}

function textOf(bytes: Buffer | string): string {
  return bytes.length === 0 ? '' : bytes.toString();
}
