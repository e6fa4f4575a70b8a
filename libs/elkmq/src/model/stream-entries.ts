/** One entry of a stream: its id, and fields and values in turn. `null` means that it was deleted. */
export type StreamEntry = [id: string, fields: string[] | null];

/** The reply to a read of one stream, in bytes; `null` when the time was up. */
type Reply = [stream: Buffer, entries: [id: Buffer | string, fields: (Buffer | string)[] | null][]][] | null;

/**
 * Takes the entries out of a reply to XREAD or XREADGROUP in bytes. The strings replace the bytes in place.
 * See "Reads come in bytes" and "No literal" in docs/performance.md.
 */
export function entriesOfReply(reply: unknown): StreamEntry[] {
  const streams = (reply as Reply) ?? [];
  const entries = streams[0]?.[1] ?? [];
  // See "A reply is emptied" in docs/performance.md.
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
