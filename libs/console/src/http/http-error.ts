import { ConnectionError, EventQueueError, InvalidOptionError } from 'elkmq';

/** A request that is refused, with the status that says why. */
export class HttpError extends Error {
  /** @param status of the response */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The status of the response for an error. */
export function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof InvalidOptionError) return 400;
  if (error instanceof ConnectionError) return 503;
  return error instanceof EventQueueError ? 502 : 500;
}
