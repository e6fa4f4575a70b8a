import type { QueueContext } from '../context/queue-context.js';
import { EnqueueError, EventQueueError } from '../model/errors.js';
import type { DeduplicatedRequests } from '../settling/deduplicated-requests.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import type { ServiceEvent, Timestamp } from '../model/service-event.js';
import { timestampOf } from '../model/stream-id.js';

/** Stores responses where their callers look for them. */
export class Responder {
  readonly #context: QueueContext;
  readonly #deduplicated: DeduplicatedRequests;
  readonly #timeoutMs: number;

  /** @param timeoutMs time for which each response is tried while Redis is away, ms */
  constructor(context: QueueContext, deduplicated: DeduplicatedRequests, timeoutMs: number) {
    this.#context = context;
    this.#deduplicated = deduplicated;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param json the response, encoded
   * @throws {EnqueueError}
   * @throws {ConnectionError}
   */
  async respond(response: ServiceEvent, json: string): Promise<Timestamp> {
    try {
      const { deduplicatedReply } = response;
      return deduplicatedReply
        ? await this.#deduplicated.respond(response, deduplicatedReply, JSON.stringify(json))
        : await this.#toOne(response, json);
    } catch (error) {
      if (error instanceof EventQueueError) throw error;
      throw new EnqueueError(`Redis refused to store the response: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async #toOne({ replyTo, requestId }: ServiceEvent, json: string): Promise<Timestamp> {
    const inbox = replyTo === undefined ? undefined : this.#context.keys.inbox(replyTo);
    if (inbox !== undefined) {
      const replies = `[["${requestId}",1,0,1,${JSON.stringify(json)}]]`;
      return this.#call(scripts.reply({ inbox }, { replies, pushes: this.#context.pushes }));
    }
    return this.#call(this.#context.legacy.respondCall(requestId, json));
  }

  async #call(call: ScriptCall): Promise<Timestamp> {
    return timestampOf(String(await callReliably(this.#context.connection, call, this.#timeoutMs)));
  }
}
