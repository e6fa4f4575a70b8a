import { isStreamId } from './stream-id.js';
/**
 * The command by which a script pushes replies; '' when it pushes none. PUBLISH on Redis Cluster would go to
 * all nodes, SPUBLISH stays with those that have the slot. Redis has it since version 7.
 */
export type PushCommand = '' | 'publish' | 'spublish';

/**
 * A push: the announcement of one entry of an inbox, see `push_replies.lua`. On the wire it is the id of the
 * entry, a field that is not used any more, and the replies, with a blank between them; or the id alone.
 */
export interface Push {
  /** The id of the entry. */
  readonly id: string;
  /** The JSON array of the replies; `undefined` when they are only in the entry. */
  readonly replies: string | undefined;
}

/** @returns `undefined` when a push has another form */
export function parsePush(message: string): Push | undefined {
  const endOfId = message.indexOf(' ');
  if (endOfId < 0) return isStreamId(message) ? { id: message, replies: undefined } : undefined;
  const endOfUnused = message.indexOf(' ', endOfId + 1);
  const id = message.slice(0, endOfId);
  if (endOfUnused < 0 || !isStreamId(id)) return undefined;
  return { id, replies: message.slice(endOfUnused + 1) };
}
