import type { AsyncResource } from 'node:async_hooks';
import type { Subscriber } from 'rxjs';
import { newContext } from '../async-context.js';

/** The result of an `emit`. It reaches everyone who subscribes, before it is known or later. */
export class Emission<T> {
  #isWatched = false;
  readonly #waiting: { observer: Subscriber<T>; context: AsyncResource }[] = [];
  #tell: ((observer: Subscriber<T>) => void) | undefined;

  /** Whether somebody has subscribed. */
  get isWatched(): boolean {
    return this.#isWatched;
  }

  watch(observer: Subscriber<T>): void {
    this.#isWatched = true;
    if (this.#tell) this.#tell(observer);
    else this.#waiting.push({ observer, context: newContext() });
  }

  succeeded(value: T): void {
    this.#end((observer) => {
      observer.next(value);
      observer.complete();
    });
  }

  failed(error: unknown): void {
    this.#end((observer) => {
      observer.error(error);
    });
  }

  #end(tell: (observer: Subscriber<T>) => void): void {
    this.#tell = tell;
    for (const { observer, context } of this.#waiting) context.runInAsyncScope(tell, undefined, observer);
    // The array must let go of the observers: see "No literal" in docs/performance.md.
    this.#waiting.length = 0;
  }
}
