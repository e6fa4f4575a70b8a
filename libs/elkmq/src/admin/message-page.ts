import { checkGivenOptions, parsePageLimit } from '../model/options.js';
import type { MessageState, QueueMessage } from './queue-message.js';

/** Chooses a page of messages. */
export interface MessageQuery {
  /** The place where the page begins: `next` of the page before. */
  readonly after?: string | undefined;
  /** The largest number of messages, 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
}

/** Some of the messages of one state. */
export interface MessagePage {
  readonly messages: QueueMessage[];
  /** The value of `after` for the next page; `undefined` when there is none. */
  readonly next: string | undefined;
}

/** Some of the messages of one state, with the place after each. Ordered messages have no places. */
export interface MessageStep extends MessagePage {
  readonly places: readonly string[];
}

/** Reads the messages of a queue. */
export interface QueueReader {
  /**
   * Reads with few calls. A step may have fewer messages than `limit`, and none, when others follow.
   * @param order of waiting messages
   */
  readStep(
    state: MessageState,
    after: string | undefined,
    limit: number,
    order?: 'oldest' | 'newest',
  ): Promise<MessageStep>;
  /**
   * Reads one message. A message that is tried again has another id than its origin: it is looked for among
   * the running messages and the newest waiting ones, 10,000 of each.
   * @param id of its entry, or its origin
   */
  readMessage(id: string): Promise<QueueMessage | undefined>;
}

/** The most that one call reads: messages, and bytes of their fields. */
export const STEP = { messages: 100, bytes: 1024 * 1024 };

/** Reads a page, however many steps that takes. */
export async function readPage(
  reader: QueueReader,
  state: MessageState,
  query: MessageQuery,
): Promise<MessagePage> {
  checkGivenOptions('messages', query, ['after', 'limit']);
  const { after, limit } = query;
  const most = parsePageLimit(limit);
  const messages: QueueMessage[] = [];
  let next = after;
  do {
    const step = await reader.readStep(state, next, Math.min(most - messages.length, STEP.messages));
    messages.push(...step.messages);
    next = step.next;
  } while (next !== undefined && messages.length < most);
  return { messages, next };
}
