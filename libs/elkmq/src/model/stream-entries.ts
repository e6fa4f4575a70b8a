/** One entry of a stream: its id, and fields and values in turn. `null` means that it was deleted. */
export type StreamEntry = [id: string, fields: string[] | null];

/** The reply to a read of one stream, in bytes; `null` when the time was up. */
type Reply = [stream: Buffer, entries: [id: Buffer | string, fields: (Buffer | string)[] | null][]][] | null;

/** Whether an entry comes after another one in a stream. */
export function isAfter(one: string, other: string): boolean {
  if (one === other) return false;
  const [time = '', number = ''] = one.split('-');
  const [otherTime = '', otherNumber = ''] = other.split('-');
  return time === otherTime ? BigInt(number) > BigInt(otherNumber) : Number(time) > Number(otherTime);
}

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
