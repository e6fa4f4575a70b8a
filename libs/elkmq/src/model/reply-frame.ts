import {
  AbandonedError,
  EnqueueError,
  RejectedError,
  TimeoutExpiredError,
  type EventQueueError,
} from './errors.js';

/**
 * One reply on the wire: a JSON array. `number` counts the replies of one attempt from 0. `last` is 0 when
 * more follow, 1 for the last one, and 2 when the transport ends the request. With 2 the body is
 * `{ code, message }`, and the number means nothing.
 */
export type ReplyFrame = [requestId: string, attempt: number, number: number, last: 0 | 1 | 2, body: unknown];

/** The JSON of the frame that ends a request which no handler can end any more. */
export function failureFrame(requestId: string, attempt: number, { code, message }: EventQueueError): string {
  return `["${requestId}",${String(attempt)},0,2,${JSON.stringify({ code, message })}]`;
}

/** The error in such a frame. */
export function failureOf(body: unknown): EventQueueError {
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : 'the request was given up';
  if (code === 'REJECTED') return new RejectedError(text);
  if (code === 'ENQUEUE_FAILED') return new EnqueueError(text);
  return code === 'TIMEOUT_EXPIRED' ? new TimeoutExpiredError(text) : new AbandonedError(text);
}

/**
 * Cuts the request id off a frame. The rest is the same for all callers of one request.
 * @param frame JSON
 */
export function withoutId(frame: string, requestId: string): string {
  return frame.slice(requestId.length + 4);
}

export function isFrame(frame: unknown): frame is ReplyFrame {
  return (
    Array.isArray(frame) &&
    frame.length === 5 &&
    typeof frame[0] === 'string' &&
    Number.isInteger(frame[1]) &&
    Number.isInteger(frame[2])
  );
}
