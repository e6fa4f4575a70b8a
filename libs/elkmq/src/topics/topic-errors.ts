import { InvalidEventError, UnroutedError } from '../model/errors.js';

/** The error of a request to a topic. */
export function requestRefused(topic: string, action: string): InvalidEventError {
  return new InvalidEventError(
    `the topic '${topic}' takes no requests, got '${action}': nobody of its subscriptions would be the one to answer. Use emit, or send to a queue`,
  );
}

/** The error of an event that no subscription has a pattern for. */
export function unroutedError(topic: string, action: string): UnroutedError {
  return new UnroutedError(
    `no subscription of the topic '${topic}' has a pattern for '${action}', so the event was not stored`,
  );
}
