import { messageOfEntry } from '../../admin/queue-message.js';
import { QueueKeys } from '../../model/keys.js';
import { entriesOfReply } from '../../model/stream-entries.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { RedisSource } from '../../redis/redis-source.js';
import { reliably } from '../../redis/reliable-call.js';
import { send } from '../../redis/scripts.js';
import { EXIT, type ExitCode } from '../exit.js';
import { jsonOfMessage, note, print, shortText } from '../output.js';
import { redisOf, type CommonOptions } from '../session.js';
import { formatTime } from '../values.js';

export interface TailOptions extends CommonOptions {
  readonly pattern?: string;
  readonly limit?: number;
}

/** The time that one read waits in Redis, ms. */
const BLOCK_MS = 1_000;
/** The number of entries of one read. An entry can have 16 MiB. */
const ENTRIES_PER_READ = 16;

/**
 * Shows messages as they are stored, and takes none. It cannot show a message that a worker has handled and
 * deleted before this process has read it.
 */
export async function tail(queue: string, options: TailOptions): Promise<ExitCode> {
  const { patience, pattern, limit = Infinity } = options;
  const source = new RedisSource(await redisOf(options));
  const { eventStream } = new QueueKeys(queue, source.isCluster);
  const connection = new Connection(source, COMMAND_TIMEOUT_MS);
  // Without a handler the signal would end the process with another code.
  process.once('SIGINT', () => process.exit(EXIT.fine));
  const read = (command: string, args: (string | number)[]): Promise<unknown> =>
    reliably(connection, (client) => send(client, command, args, 'bytes'), patience);
  try {
    const newest = (await read('xrevrange', [eventStream, '+', '-', 'COUNT', 1])) as [[Buffer]?];
    let last = newest[0]?.[0].toString() ?? '0-0';
    if (!options.json) note('Shows what is stored from now on. Ctrl-C ends it.');
    let shown = 0;
    while (shown < limit) {
      const args = ['COUNT', ENTRIES_PER_READ, 'BLOCK', BLOCK_MS, 'STREAMS', eventStream, last];
      for (const entry of entriesOfReply(await read('xread', args))) {
        last = entry[0];
        const message = messageOfEntry(entry, 'waiting');
        if (!message || (pattern !== undefined && message.event?.action !== pattern)) continue;
        if (options.json) print(jsonOfMessage(message));
        else {
          const { id, storedAt, event } = message;
          const text = shortText(event?.payload ?? '', 100);
          print(`${formatTime(storedAt)}  ${id}  ${shortText(event?.action ?? '(no event)')}  ${text}`);
        }
        shown++;
        if (shown === limit) break;
      }
    }
    return EXIT.fine;
  } finally {
    await connection.closeConnection();
  }
}
