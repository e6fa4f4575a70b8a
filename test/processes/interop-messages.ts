/** The data of the messages in the tests beside the original crate, the same as in test/interop/rust. */
export interface Message {
  readonly id: number;
  readonly text: string;
}

/** 100 KiB. */
const LONG = '0123456789abcdef'.repeat(6_400);

export function messageOf(id: number, texts: readonly string[]): Message {
  return { id, text: id % 200 === 7 ? LONG : (texts[id % texts.length] ?? '') };
}

/** Some events have no payload, and cannot be told apart. */
export function hasPayload(id: number): boolean {
  return id % 50 !== 49;
}
