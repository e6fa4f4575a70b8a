/** The parts that the services of a run with topics play. */

export const TOPIC = 'chaos';
/** The one pattern of all events. */
export const PATTERN = 'event';
/** The workers of each service. */
export const WORKERS_EACH = 2;

/**
 * `steady` is always there, `away` is stopped for the first half, `failing` fails always, and `late` subscribes when
 * a third of the events is sent.
 */
export const SERVICES = ['steady', 'failing', 'away', 'late'] as const;
export type Service = (typeof SERVICES)[number];
/** These have subscribed before the first event. */
export const FROM_THE_START: readonly Service[] = ['steady', 'failing', 'away'];

/** The service of a worker. */
export function serviceOf(slot: number): Service {
  return SERVICES[Math.floor(slot / WORKERS_EACH)] as Service;
}
