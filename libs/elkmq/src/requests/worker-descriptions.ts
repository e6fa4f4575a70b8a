import type { QueueContext } from '../context/queue-context.js';
import { COMMAND_TIMEOUT_MS } from '../redis/connection.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';

/** The part of a worker's description that a client looks at. Others may write what they like. */
export interface Description {
  readonly host?: unknown;
  readonly pid?: unknown;
  readonly version?: unknown;
  readonly features?: unknown;
}

/** Reads from the registry which workers of a queue do not have a feature. */
export async function workersWithout(
  { connection, keys }: QueueContext,
  feature: string,
): Promise<Description[]> {
  const call = scripts.listWorkers(keys);
  const answer = (await callReliably(connection, call, COMMAND_TIMEOUT_MS)) as string[];
  // The names of the workers come in between.
  const described = answer.filter((_, index) => index % 2 === 1).map(parseDescription);
  return described.filter(({ features }) => !Array.isArray(features) || !features.includes(feature));
}

function parseDescription(json: string): Description {
  try {
    return (JSON.parse(json) as Description | null) ?? {};
  } catch {
    return {};
  }
}
