// A worker with a short lease whose handlers never end, so that it can be killed or stopped in the middle of one.
import { Logger } from '@nestjs/common';
import { ElkMqServer, type ElkMqContext, type ElkMqServerOptions } from 'nestjs-elkmq';
import { once } from 'node:events';
import { NEVER, concat, of } from 'rxjs';
import { endWithParent, tellParent } from './parent.js';

Logger.overrideLogger(['warn', 'error']);
const server = new ElkMqServer(JSON.parse(process.argv[2] ?? '{}') as ElkMqServerOptions);

function taken(payload: unknown): void {
  tellParent({ taken: payload });
}

server.addHandler('hang', (payload: unknown) => {
  taken(payload);
  return Promise.resolve(NEVER);
});
// 'note' is what the original's producers of the tests send.
for (const pattern of ['hang event', 'note']) {
  server.addHandler(
    pattern,
    (payload: unknown) => {
      taken(payload);
      return Promise.resolve(NEVER);
    },
    true,
  );
}
server.addHandler(
  'fail twice, then hang event',
  (payload: unknown, context: ElkMqContext) => {
    if (context.getAttempt() < 3) return Promise.reject(new Error('not yet'));
    taken(payload);
    return Promise.resolve(NEVER);
  },
  true,
);
server.addHandler('hang after two values', (payload: unknown) => {
  taken(payload);
  return Promise.resolve(concat(of(1, 2), NEVER));
});
server.addHandler('finish when told', async (payload: unknown) => {
  taken(payload);
  await once(process, 'message');
  setImmediate(() => {
    tellParent({ finished: payload });
  });
  return 'late';
});

/** Keeps the processor for `busyMs`, after a microtask as Nest's handlers do. */
for (const pattern of ['keep the processor', 'keep the processor event']) {
  server.addHandler(
    pattern,
    async (payload: { name: string; busyMs: number }) => {
      await Promise.resolve();
      taken(payload.name);
      const end = performance.now() + payload.busyMs;
      while (performance.now() < end);
      return payload.name;
    },
    pattern.endsWith('event'),
  );
}

server.listen((error) => {
  if (error) throw error;
  tellParent({ ready: true });
});
endWithParent(() => Promise.resolve());
