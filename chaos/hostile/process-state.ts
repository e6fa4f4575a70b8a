import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What can be said of a process at any time. */

/** Whether something has been added to the prototype of all objects. */
export function isPolluted(): boolean {
  return 'polluted' in {} || Object.keys(Object.prototype).length > 0;
}

let collect: (() => void) | undefined;

/** Bytes of the heap that are in use, garbage not counted. */
export function heapAfterGc(): number {
  setFlagsFromString('--expose-gc');
  collect ??= runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}
