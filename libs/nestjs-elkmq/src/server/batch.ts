import type { Type } from '@nestjs/common';
import { InvalidOptionError } from 'elkmq';
import { formatValue, parseInteger, parseMembers, parseMilliseconds } from 'elkmq/internal';
import { BatchCollectors } from './batch-collector.js';

const MAX_SIZE = 10_000;
const MAX_WAIT_MS = 60_000;

/** The options of `ElkMqBatch`. */
export interface ElkMqBatchOptions {
  /** The greatest number of messages in a batch, 2 to 10,000. Default 100. */
  readonly size?: number | undefined;
  /** The time that the first message of a batch waits for others, ms, 1 to 60,000. Default 50. */
  readonly wait?: number | undefined;
  /**
   * The class of one payload. Pipes get it, so `ValidationPipe` checks each payload. Without it they get
   * `Array`, the type of the parameter, and `ValidationPipe` checks nothing.
   */
  readonly items?: Type | undefined;
}

/**
 * The value that a batch handler returns: nothing, or an array with one element for each message. An element
 * that is an `Error` fails its message; another one is the answer, when the message is a request.
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a method that returns nothing has it
export type ElkMqBatchResult = readonly unknown[] | null | undefined | void;

type BatchHandler = (...columns: never[]) => ElkMqBatchResult | Promise<ElkMqBatchResult>;

/** The name of the extra that has the collectors of a batch handler. */
const COLLECTORS = 'elkMqBatches';

// These are the names that Nest gives to its metadata.
const EXTRAS_METADATA = 'microservices:pattern_extras';
const PARAMETERS_METADATA = '__routeArguments__';
const PARAMETER_TYPES = 'design:paramtypes';
/** Begins the key of a payload in the metadata of parameters. The index of the parameter follows. */
const PAYLOAD = '3:';

/**
 * Has a handler called with many messages at once. Each of its parameters is an array, with one element for
 * each message:
 *
 *     @EventPattern('page.viewed')
 *     @ElkMqBatch({ size: 100, wait: 50, items: PageView })
 *     store(views: PageView[], contexts: ElkMqContext[]) { … }
 *
 * Each message passes guards, pipes and interceptors by itself, and keeps its own attempts, lease and
 * deadline. When the method throws, every message of the batch fails.
 *
 * @throws {InvalidOptionError} when an option is wrong, or the method has it twice; the class is not defined
 * then
 */
export function ElkMqBatch(options: ElkMqBatchOptions = {}) {
  const given = parseMembers('ElkMqBatch', options, ['size', 'wait', 'items']);
  const size = parseInteger('size', given['size'], 100, 2, MAX_SIZE);
  const waitMs = parseMilliseconds('wait', given['wait'], 50, MAX_WAIT_MS);
  const items = parseItems(given['items']);
  return <T extends BatchHandler>(
    controller: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<T>,
  ): void => {
    const method = descriptor.value as BatchHandler;
    if (collectorsOf(Reflect.getMetadata(EXTRAS_METADATA, method) as Extras))
      throw new InvalidOptionError(`the method ${String(name)} must have only one @ElkMqBatch, got two`);
    const collectors = new BatchCollectors(size, waitMs);
    function collect(this: object, ...values: unknown[]): Promise<unknown> {
      const collector = collectors.of(this, (columns) => method.apply(this, columns as never[]));
      return collector.collect(values);
    }
    Object.defineProperty(collect, 'name', { value: method.name });
    copyMetadata(method, collect);
    const extras = Reflect.getMetadata(EXTRAS_METADATA, collect) as object | undefined;
    Reflect.defineMetadata(EXTRAS_METADATA, { ...extras, [COLLECTORS]: collectors }, collect);
    if (items) setItemType(controller, name, items);
    descriptor.value = collect as unknown as T;
  };
}

type Extras = Record<string, unknown> | undefined;

/** The collectors of a batch handler; `undefined` for another handler. */
export function collectorsOf(extras: Extras): BatchCollectors | undefined {
  return extras?.[COLLECTORS] as BatchCollectors | undefined;
}

/**
 * Refuses batches that can never be full, because each of their messages takes a slot.
 * @throws {InvalidOptionError}
 */
export function checkBatchSize(extras: Extras, concurrency: number): void {
  const size = collectorsOf(extras)?.size;
  if (size === undefined || size <= concurrency) return;
  throw new InvalidOptionError(
    `the size of its batches must be at most the concurrency of the server (${String(concurrency)}), got ${String(size)}`,
  );
}

function parseItems(items: unknown): Type | undefined {
  if (items === undefined || typeof items === 'function') return items as Type | undefined;
  throw new InvalidOptionError(`items must be a class or left out, got ${formatValue(items)}`);
}

/** Copies what decorators below this one have said of the method: its pattern, its guards and so on. */
function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
  }
}

/**
 * TypeScript says only `Array` of a parameter that is an array. The contexts, and what decorators of the
 * application give, keep that: a pipe must not take them for payloads.
 */
function setItemType(controller: object, name: string | symbol, items: Type): void {
  const types = Reflect.getMetadata(PARAMETER_TYPES, controller, name) as unknown[] | undefined;
  const decorated = Reflect.getMetadata(PARAMETERS_METADATA, controller.constructor, name) as
    object | undefined;
  // Without decorators the payload is the first parameter.
  const parameters = Object.keys(decorated ?? { [`${PAYLOAD}0`]: {} });
  const replaced = types?.map((type, index) =>
    type === Array && parameters.includes(`${PAYLOAD}${String(index)}`) ? items : type,
  );
  if (replaced) Reflect.defineMetadata(PARAMETER_TYPES, replaced, controller, name);
}
