/*
 * An application can have two copies of this package, for example in two versions. `instanceof` does not know
 * the objects of the other copy, so these classes carry a mark that all copies share.
 */

/** @internal */
export const RECORD = Symbol.for('nestjs-elkmq.record');
/** @internal */
export const CONTEXT = Symbol.for('nestjs-elkmq.context');
/** @internal */
export const SERVER = Symbol.for('nestjs-elkmq.server');

/** Whether any copy of this package has made `value`. */
export function hasBrand(value: unknown, brand: symbol): boolean {
  return typeof value === 'object' && value !== null && brand in value;
}
