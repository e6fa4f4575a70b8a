import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { elkMqExtras, type ElkMqHandlerExtras } from './handler-extras.js';

/** A pattern in the form that Nest accepts: a text, a number, an object, or a list of them. */
export type ElkMqPattern = string | number | object;

/** Leaves out what a list of patterns has twice: Nest would make two handlers of it. */
function withoutRepetition(pattern: ElkMqPattern): ElkMqPattern {
  return Array.isArray(pattern) ? [...new Set<unknown>(pattern)] : pattern;
}

/**
 * Nest's `@EventPattern` with extras that have types:
 * `@ElkMqEventPattern('order.placed', { retry: { attempts: 5 } })`. A handler may have a second parameter of
 * any type, such as `@Ctx() context: ElkMqContext`. With Nest 12's own `@EventPattern` a second
 * parameter does not compile (TS1241).
 *
 * @throws {InvalidOptionError} when an extra is wrong; the class is not defined then
 */
export function ElkMqEventPattern(pattern: ElkMqPattern, extras: ElkMqHandlerExtras = {}): MethodDecorator {
  return EventPattern<ElkMqPattern>(withoutRepetition(pattern), elkMqExtras(extras));
}

/**
 * Nest's `@MessagePattern` with extras that have types:
 * `@ElkMqMessagePattern('order.total', { delivery: 'at-least-once' })`.
 *
 * @throws {InvalidOptionError} when an extra is wrong; the class is not defined then
 */
export function ElkMqMessagePattern(pattern: ElkMqPattern, extras: ElkMqHandlerExtras = {}): MethodDecorator {
  return MessagePattern<ElkMqPattern>(withoutRepetition(pattern), elkMqExtras(extras));
}
