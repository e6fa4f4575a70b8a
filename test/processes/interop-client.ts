// A Nest client beside original ones: emits events and sends requests, and compares each answer with its request.
import { isDeepStrictEqual } from 'node:util';
import { lastValueFrom } from 'rxjs';
import { ElkMqClient } from 'nestjs-elkmq';
import { hasPayload, messageOf } from './interop-messages.js';
import { endWithParent, tellParent } from './parent.js';

/** The work of the process, as its parent describes it. */
export interface Load {
  readonly first: number;
  /** Of each kind. */
  readonly count: number;
  readonly texts: readonly string[];
}

export interface Answered {
  readonly answered: number;
  readonly problems: string[];
}

const [url = '', queue = '', timeout = '', mode = ''] = process.argv.slice(2);
const client = new ElkMqClient({
  url,
  queue,
  timeout: Number(timeout),
  eventTimeout: Number(timeout),
  legacyConsumers: mode === 'legacy',
});

/** Nest does not send nothing. */
const EMPTY = '';
/** Messages that are on their way at a time. */
const AT_ONCE = 20;

async function work({ first, count, texts }: Load): Promise<Answered> {
  const problems: string[] = [];
  let answered = 0;
  let next = first;
  const lane = async (): Promise<void> => {
    while (next < first + count) {
      const id = next++;
      const message = messageOf(id, texts);
      const event = client.emit('note', hasPayload(id) ? message : EMPTY);
      try {
        await lastValueFrom(event, { defaultValue: null });
        const answer: unknown = await lastValueFrom(client.send('ask', message));
        if (isDeepStrictEqual(answer, message)) answered++;
        else problems.push(`${String(id)} was answered with ${JSON.stringify(answer)}`);
      } catch (error) {
        problems.push(`${String(id)}: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return { answered, problems };
}

await client.connect();
process.on('message', (load: string) => {
  void work(JSON.parse(load) as Load).then(tellParent);
});
endWithParent(() => client.close());
tellParent({ ready: true });
