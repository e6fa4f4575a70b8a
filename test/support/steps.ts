import { ElkMqRecordBuilder, type ElkMqClient } from 'nestjs-elkmq';
import { told } from './nest.js';

/** A message with an ordering key. */
export interface Step {
  readonly key: string;
  readonly number: number;
}

/** Sends three messages of each key, numbered from 1. */
export async function sendSteps(client: ElkMqClient, keys: readonly string[]): Promise<void> {
  const sent: Promise<unknown>[] = [];
  for (const key of keys)
    for (const number of [1, 2, 3])
      sent.push(
        told(client.emit('step event', new ElkMqRecordBuilder({ key, number }).setOrderingKey(key).build())),
      );
  await Promise.all(sent);
}
