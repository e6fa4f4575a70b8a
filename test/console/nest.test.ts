import { Controller, Get, Post, Body, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { ElkMqConsoleModule, type ElkMqConsoleModuleOptions } from 'elkmq-console/nest';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ask, change } from '../support/console.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { closing, newQueueName, rejection, url } from '../support/queue.js';

type Platform = 'Express' | 'Fastify';

@Controller()
class OrdersController {
  @Get('orders')
  list(): string[] {
    return ['one'];
  }

  @Post('orders')
  create(@Body() order: object): object {
    return order;
  }
}

/** An application of somebody, with the console in it. @returns its address */
async function startApplication(
  platform: Platform,
  options: ElkMqConsoleModuleOptions,
  prefix?: string,
): Promise<string> {
  @Module({
    imports: [ElkMqConsoleModule.forRoot({ redis: url, ...options })],
    controllers: [OrdersController],
  })
  class AppModule {}
  const app: INestApplication = closing(
    await (platform === 'Express'
      ? NestFactory.create(AppModule)
      : NestFactory.create(AppModule, new FastifyAdapter() as never)),
  );
  if (prefix !== undefined) app.setGlobalPrefix(prefix);
  await app.listen(0, '127.0.0.1');
  return (await app.getUrl()).replace(/\/$/, '');
}

describe.each<Platform>(['Express', 'Fastify'])('the console in an application on %s', (platform) => {
  it.each([
    ['/elkmq', undefined, undefined],
    ['/b/elkmq', 'a', '/b/elkmq'],
    ['/elkmq', '/a/b/', '/elkmq'],
  ])(
    'is at %s below the prefix %s, and leaves the rest of the application alone',
    async (path, prefix, given) => {
      const queue = newQueueName();
      const letter = deadLetter(1);
      await writeLetters(queue, [letter]);
      const root = await startApplication(platform, { queues: [queue], path: given }, prefix);
      const base = `${root}${prefix === undefined ? '' : `/${prefix.replaceAll(/^\/|\/$/g, '')}`}`;
      const address = `${base}${path}/`;

      const redirect = await ask(address.slice(0, -1));
      expect(redirect.status).toBe(302);
      expect(new URL(redirect.headers.get('location') ?? '', address.slice(0, -1)).href).toBe(address);
      const page = await ask(address);
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      for (const asset of page.text.match(/\.\/assets\/[^"]+/g) ?? [])
        expect((await ask(new URL(asset, address).href)).status).toBe(200);

      const list = await ask(`${address}api/messages?queue=${queue}&state=dead`);
      expect(list.json).toMatchObject({ messages: [{ id: letter.origin }] });
      const retried = await change(`${address}api/retry`, { queue, ids: [letter.origin] });
      expect([retried.status, retried.json]).toEqual([200, { count: 1 }]);

      expect((await ask(`${base}/orders`)).text).toBe('["one"]');
      const posted = await ask(`${base}/orders`, { method: 'POST', body: { id: 1 } });
      expect([posted.status, posted.text]).toEqual([201, '{"id":1}']);
      expect((await ask(`${base}${path}x`)).status).toBe(404);
    },
  );

  it('gives `authorize` the request, with its cookies and headers', async () => {
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url));
    await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    const root = await startApplication(platform, {
      authorize: ({ headers }, { kind }) => headers.cookie === 'user=ada' && kind !== 'purge',
      identify: ({ headers }) => headers.cookie,
    });
    const cookie = { Cookie: 'user=ada' };
    const address = `${root}/elkmq/api`;
    expect((await ask(`${address}/queue?queue=${queue}`)).status).toBe(403);
    expect((await ask(`${address}/queue?queue=${queue}`, { headers: cookie })).status).toBe(200);
    expect((await change(`${address}/purge`, { queue, state: 'waiting' }, cookie)).status).toBe(403);
    expect((await admin.state()).waiting).toBe(1);
  });
});

describe('ElkMqConsoleModule', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('does not let an application start in production without `authorize` or `readOnly`', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    @Module({ imports: [ElkMqConsoleModule.forRoot({ redis: url })] })
    class AppModule {}
    const error = await rejection(NestFactory.create(AppModule, { abortOnError: false }));
    expect(String(error)).toMatch(/needs the option authorize or readOnly in production/);
  });

  it.each([
    [
      { readonly: true },
      /ElkMqConsoleModule has no option "readonly"; it has audit, .*, path, .*, readOnly, /,
    ],
    [null, /ElkMqConsoleModule takes an object of options \(audit, .*\), got null/],
    [{ redis: 5 }, /redis must be a URL, .*; got 5/],
  ])('does not let an application start with the options %j', async (options, message) => {
    @Module({ imports: [ElkMqConsoleModule.forRoot(options as never)] })
    class AppModule {}
    expect(String(await rejection(NestFactory.create(AppModule, { abortOnError: false })))).toMatch(message);
  });

  it.each(['elkmq', '/', '/a//b', '/:id', '/elkmq/'])('refuses the path %j', async (path) => {
    @Module({ imports: [ElkMqConsoleModule.forRoot({ path })] })
    class AppModule {}
    const error = await rejection(NestFactory.create(AppModule, { abortOnError: false }));
    expect(String(error)).toContain(`path must be a path such as /elkmq, got ${JSON.stringify(path)}`);
  });
});
