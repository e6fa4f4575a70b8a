import { findOnPath } from '../../scripts/install-redis.js';
import { buildGo, buildRust } from '../peers.js';
import type { Addresses } from '../addresses.js';
import type { BenchTransport, Broker } from './bench-transport.js';
import { startRedisBroker } from './redis-broker.js';

/** What users of other languages would take, as programs of a few lines. */

function programmed(
  compiler: string,
  build: () => string,
  about: Pick<BenchTransport, 'title' | 'keeps' | 'carries'>,
): BenchTransport {
  let program = '';
  const elsewhere = (): never => {
    throw new Error(`${about.title} is a program of its own`);
  };
  return {
    ...about,
    stores: true,
    waits: false,
    missing: () => (findOnPath(compiler) === undefined ? `${compiler} is not installed` : undefined),
    startBroker(at: Addresses): Promise<Broker> {
      program = build();
      return startRedisBroker(at);
    },
    program: () => program,
    startWorker: elsewhere,
    client: elsewhere,
  };
}

export const asynq = programmed('go', () => buildGo('asynq', '.'), {
  title: 'asynq',
  keeps:
    'asynq 0.25.1 in Go: stored in Redis until a worker has done it, handed to one worker; concurrency 256',
  carries: 'events',
});

export const original = programmed('cargo', () => buildRust('original', 'elk-mq-bench'), {
  title: 'original, Rust',
  keeps:
    'the original crate, elk-mq 0.1.1: stored in Redis until it is sent to a worker; one thread in the worker',
});
