import type { QueueContext } from '../context/queue-context.js';
import { OlderWorkerError } from '../model/errors.js';
import { ORDERING_KEYS } from '../model/features.js';
import { attentiveNow } from '../redis/deadline.js';
import { COMMAND_TIMEOUT_MS } from '../redis/connection.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';

const LOOK_INTERVAL_MS = 60_000;

/** The part of a worker's description that is needed here. */
interface Description {
  readonly host?: unknown;
  readonly pid?: unknown;
  readonly version?: unknown;
  readonly features?: unknown;
}

/**
 * Reports workers of an earlier version that is not able to keep the order of ordering keys. It looks at the
 * registry with the first message that has a key, and then once a minute while such messages are sent.
 */
export class OlderWorkers {
  readonly #context: QueueContext;
  readonly #report: (error: OlderWorkerError) => void;
  #nextLook = -Infinity;

  constructor(context: QueueContext, report: (error: OlderWorkerError) => void) {
    this.#context = context;
    this.#report = report;
  }

  /** A message with an ordering key is sent. */
  notice(): void {
    const now = attentiveNow();
    if (now < this.#nextLook) return;
    this.#nextLook = now + LOOK_INTERVAL_MS;
    this.#look().catch(() => {
      // Redis refuses or is away. The next look is as good.
      this.#nextLook = -Infinity;
    });
  }

  async #look(): Promise<void> {
    const { connection, keys } = this.#context;
    const answer = (await callReliably(
      connection,
      scripts.listWorkers(keys),
      COMMAND_TIMEOUT_MS,
    )) as string[];
    for (let i = 1; i < answer.length; i += 2) {
      const { host, pid, version, features } = read(answer[i] as string);
      if (Array.isArray(features) && features.includes(ORDERING_KEYS)) continue;
      const what = `the worker on ${String(host)}, pid ${String(pid)}, version ${String(version)}, knows no ordering keys: messages of a key can run at once and out of order, and a key can stop for a minute. Upgrade all workers of the queue '${keys.queue}' before clients send ordering keys`;
      this.#report(new OlderWorkerError(what));
    }
  }
}

function read(json: string): Description {
  try {
    return (JSON.parse(json) as Description | null) ?? {};
  } catch {
    return {};
  }
}
