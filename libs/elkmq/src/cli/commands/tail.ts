import { setTimeout as sleep } from 'node:timers/promises';
import { readPartitionKeys } from '../../admin/partition-number.js';
import { withPartition } from '../../admin/partitioned-id.js';
import { messageOfEntry, type QueueMessage } from '../../admin/queue-message.js';
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
/** The time between two looks at the streams of several partitions, ms. */
const POLL_MS = 200;
/** The number of entries of one read. An entry can have 16 MiB. */
const ENTRIES_PER_READ = 16;

/**
 * Shows messages as they are stored, and takes none. It cannot show a message that a worker has handled and
 * deleted before this process has read it.
 */
export async function tail(queue: string, options: TailOptions): Promise<ExitCode> {
  const { patience: timeoutMs, pattern, limit = Infinity } = options;
  const source = new RedisSource(await redisOf(options));
  const connection = new Connection(source, COMMAND_TIMEOUT_MS);
  // Without a handler the signal would end the process with another code.
  process.once('SIGINT', () => process.exit(EXIT.fine));
  try {
    const keys = await readPartitionKeys(connection, queue, source.isCluster, timeoutMs);
    const tails = keys.map(({ eventStream }) => new StreamTail(connection, eventStream, timeoutMs));
    await Promise.all(tails.map((each) => each.findEnd()));
    if (!options.json) note('Shows what is stored from now on. Ctrl-C ends it.');
    let shown = 0;
    while (shown < limit) {
      // One read cannot wait for the streams of several slots.
      const blockMs = tails.length === 1 ? BLOCK_MS : 0;
      const reads = await Promise.all(tails.map((each) => each.readNext(blockMs)));
      for (const [partition, messages] of reads.entries()) {
        for (const message of messages) {
          if (shown === limit || (pattern !== undefined && message.event?.action !== pattern)) continue;
          showStored(tails.length === 1 ? message : withPartition(message, partition), options);
          shown++;
        }
      }
      if (blockMs === 0 && reads.every(({ length }) => length === 0)) await sleep(POLL_MS);
    }
    return EXIT.fine;
  } finally {
    await connection.closeConnection();
  }
}

/** Reads one stream from its end on. */
class StreamTail {
  readonly #connection: Connection;
  readonly #stream: string;
  readonly #timeoutMs: number;
  #last = '0-0';

  constructor(connection: Connection, stream: string, timeoutMs: number) {
    this.#connection = connection;
    this.#stream = stream;
    this.#timeoutMs = timeoutMs;
  }

  async findEnd(): Promise<void> {
    const newest = (await this.#read('xrevrange', [this.#stream, '+', '-', 'COUNT', 1], 0)) as [[Buffer]?];
    this.#last = newest[0]?.[0].toString() ?? '0-0';
  }

  /** @param blockMs the time that Redis waits for an entry; 0: it does not wait */
  async readNext(blockMs = 0): Promise<QueueMessage[]> {
    // For Redis, 0 is for ever.
    const block = blockMs === 0 ? [] : ['BLOCK', blockMs];
    const args = ['COUNT', ENTRIES_PER_READ, ...block, 'STREAMS', this.#stream, this.#last];
    const messages: QueueMessage[] = [];
    for (const entry of entriesOfReply(await this.#read('xread', args, blockMs))) {
      this.#last = entry[0];
      const message = messageOfEntry(entry, 'waiting');
      if (message) messages.push(message);
    }
    return messages;
  }

  /** @param blockMs the time that Redis waits before it answers: its patience begins afterwards */
  #read(command: string, args: (string | number)[], blockMs: number): Promise<unknown> {
    const read = (client: Connection['client']): Promise<unknown> => send(client, command, args, 'bytes');
    return reliably(this.#connection, read, blockMs + this.#timeoutMs);
  }
}

function showStored(message: QueueMessage, { json }: TailOptions): void {
  if (json) {
    print(jsonOfMessage(message));
    return;
  }
  const { storedAt, id, event } = message;
  const text = shortText(event?.payload ?? '', 100);
  print(`${formatTime(storedAt)}  ${id}  ${shortText(event?.action ?? '(no event)')}  ${text}`);
}
