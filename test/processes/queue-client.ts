// Makes requests and emits events, each with an id of its own, and tells its parent what came of them.
import { ElkMqClient } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { endWithParent, tellParent } from './parent.js';

export interface Sent {
  /** Ids whose answer was their own. */
  answered: number[];
  /** Ids of events that are stored. */
  emitted: number[];
  /** A line for each thing that went wrong. */
  problems: string[];
}

const IN_FLIGHT = 200;
const [url = '', queue = '', first = '', count = ''] = process.argv.slice(2);
const ids = Array.from({ length: Number(count) }, (_, index) => Number(first) + index);
const sent: Sent = { answered: [], emitted: [], problems: [] };
const client = new ElkMqClient({ url, queue });

async function ask(id: number): Promise<void> {
  const answer = await lastValueFrom(client.send<{ id: number }>('ask', { id }));
  if (answer.id === id) sent.answered.push(id);
  else sent.problems.push(`${id} was answered with ${JSON.stringify(answer)}`);
}

async function emit(id: number): Promise<void> {
  await lastValueFrom(client.emit('note', { id }), { defaultValue: undefined });
  sent.emitted.push(id);
}

async function sendAll(): Promise<void> {
  for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
    const report = (error: unknown) => void sent.problems.push(`${id}: ${String(error)}`);
    await Promise.all([ask(id).catch(report), emit(id).catch(report)]);
  }
}

endWithParent(() => client.close());
await client.connect();
tellParent({ ready: true });
process.once('message', () => {
  void Promise.all(Array.from({ length: IN_FLIGHT }, sendAll)).then(() => tellParent(sent));
});
