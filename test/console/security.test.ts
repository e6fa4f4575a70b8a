import { EventQueue, QueueAdmin, Schedules, ServiceEvent } from 'nestjs-elkmq';
import { ElkMqConsole, type ConsoleAction, type ConsoleOptions } from 'elkmq-console';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ROUTES } from '../../libs/console/src/api/api.js';
import { ask, change, startConsole, type Answer, type Ask } from '../support/console.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { closing, newQueueName, url } from '../support/queue.js';

const HOUR = 3_600_000;
const SCHEDULE = 'yearly';

interface Filled {
  readonly queue: string;
  readonly admin: QueueAdmin;
  readonly schedules: Schedules;
  /** The id of the delayed message. */
  readonly delayed: string;
  readonly dead: string;
  /** The name of a queue that is not there. */
  readonly other: string;
}

/** A queue with a waiting, a delayed and a dead message, and a schedule. */
async function fillQueue(): Promise<Filled> {
  const queue = newQueueName();
  const admin = closing(new QueueAdmin(queue, url));
  await admin.enqueue(new ServiceEvent(60, 'order.placed', '"waits"'));
  const delayed = await admin.enqueue(new ServiceEvent(60, 'order.placed', '"later"'), { delay: HOUR });
  const letter = deadLetter(1);
  await writeLetters(queue, [letter]);
  const schedules = closing(new Schedules(queue, url));
  await schedules.declare({ name: SCHEDULE, cron: '0 0 1 1 *' });
  return { queue, admin, schedules, delayed, dead: letter.origin, other: newQueueName() };
}

async function expectUntouched({ admin, schedules }: Pick<Filled, 'admin' | 'schedules'>): Promise<void> {
  const { waiting, delayed, deadLetters, paused } = await admin.state();
  expect({ waiting, delayed, deadLetters, paused }).toEqual({
    waiting: 1,
    delayed: 1,
    deadLetters: 1,
    paused: undefined,
  });
  expect(await schedules.list()).toMatchObject([{ name: SCHEDULE }]);
}

/** Calls each route of the API so that it would succeed, whatever routes there are. */
async function callAll(address: string, filled: Filled, extra: Ask = {}): Promise<Map<string, Answer>> {
  const { queue, delayed, dead, other } = filled;
  const answers = new Map<string, Answer>();
  for (const { path, method } of ROUTES) {
    const parameters = { queue, id: dead, state: 'waiting' };
    const ids = path === '/runNow' ? [delayed] : [dead];
    const call =
      method === 'GET'
        ? ask(`${address}api${path}?${new URLSearchParams(parameters).toString()}`, extra)
        : change(`${address}api${path}`, { ...parameters, ids, to: other, name: SCHEDULE }, extra.headers);
    answers.set(path, await call);
  }
  return answers;
}

function statusesOf(answers: ReadonlyMap<string, Answer>): number[] {
  return [...new Set([...answers.values()].map(({ status }) => status))];
}

const READS = ROUTES.filter(({ kind }) => kind === 'view').map(({ path }) => path);
const WRITES = ROUTES.filter(({ kind }) => kind !== 'view').map(({ path }) => path);

describe('a read-only console', () => {
  it('answers each route that reads, and refuses each one that changes something', async () => {
    const filled = await fillQueue();
    const address = await startConsole({
      queues: [filled.queue, filled.other],
      readOnly: true,
      authorize: () => true,
    });
    const answers = await callAll(address, filled);
    expect(WRITES).toHaveLength(8);
    for (const path of READS) expect([path, answers.get(path)?.status]).toEqual([path, 200]);
    for (const path of WRITES) {
      expect([path, answers.get(path)?.status]).toEqual([path, 403]);
      expect(answers.get(path)?.json['error']).toMatch(/read-only/);
    }
    await expectUntouched(filled);
  });
});

describe('a console', () => {
  it.each([
    ['of another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['of another host of the same site', { 'Sec-Fetch-Site': 'same-site' }],
    ['with another origin, from a browser that says no more', { Origin: 'http://evil.example' }],
    ['with another port as its origin', { Origin: 'http://127.0.0.1:1' }],
    ['of a frame without an origin', { Origin: 'null' }],
  ])('refuses each route to a page %s', async (_what, headers) => {
    const filled = await fillQueue();
    const address = await startConsole({ queues: [filled.queue, filled.other] });
    const answers = await callAll(address, filled, { headers });
    expect(statusesOf(answers)).toEqual([403]);
    await expectUntouched(filled);
  });

  it('refuses each change of a form, which cannot send its own header', async () => {
    const filled = await fillQueue();
    const { queue, dead } = filled;
    const address = await startConsole();
    for (const path of WRITES) {
      const body = { queue, ids: [dead], state: 'dead', name: SCHEDULE };
      const { status } = await ask(`${address}api${path}`, { method: 'POST', body });
      expect([path, status]).toEqual([path, 403]);
    }
    const form = { 'Content-Type': 'text/plain', 'X-ElkMQ-Console': '1' };
    const sent = await ask(`${address}api/purge`, {
      method: 'POST',
      headers: form,
      body: { queue, state: 'dead' },
    });
    expect(sent.status).toBe(415);
    await expectUntouched(filled);
  });

  it('lets its own page and typed addresses in, and no typed address changes anything', async () => {
    const filled = await fillQueue();
    const address = await startConsole({ queues: [filled.queue, filled.other] });
    const own = new URL(address).origin;
    const typed = await callAll(address, filled, { headers: { 'Sec-Fetch-Site': 'none' } });
    for (const path of READS) expect([path, typed.get(path)?.status]).toEqual([path, 200]);
    for (const path of WRITES) expect([path, typed.get(path)?.status]).toEqual([path, 403]);
    expect(statusesOf(await callAll(address, filled, { headers: { Origin: own } }))).toEqual([200]);
  });

  it('asks `authorize` for each route, with the action and the queue, and changes nothing without a yes', async () => {
    const filled = await fillQueue();
    const asked: ConsoleAction[] = [];
    const address = await startConsole({
      queues: [filled.queue, filled.other],
      authorize: (_request, action) => {
        asked.push(action);
        return false;
      },
    });
    expect(statusesOf(await callAll(address, filled))).toEqual([403]);
    expect((await ask(address)).status).toBe(403);
    expect(asked).toEqual([
      ...ROUTES.map(({ kind, hasQueue }) => ({ kind, queue: hasQueue ? filled.queue : undefined })),
      { kind: 'view', queue: undefined },
    ]);
    await expectUntouched(filled);
  });

  it('takes no answer of `authorize` but true for a yes, and tells nobody what it has thrown', async () => {
    const filled = await fillQueue();
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const forgetful = await startConsole({ authorize: (() => undefined) as unknown as () => boolean });
    const failing = await startConsole({
      authorize: () => Promise.reject(new Error('secret of the session')),
    });
    expect(statusesOf(await callAll(forgetful, filled))).toEqual([403]);
    const answers = await callAll(failing, filled);
    expect(statusesOf(answers)).toEqual([500]);
    for (const { text } of answers.values()) expect(text).not.toContain('secret');
    expect(String(warn.mock.calls[0]?.[0])).toContain('secret of the session');
    warn.mockRestore();
    await expectUntouched(filled);
  });

  it('lists only the queues that the user may look at', async () => {
    const [mine, other] = [await fillQueue(), await fillQueue()];
    const address = await startConsole({
      queues: [mine.queue, other.queue],
      authorize: (_request, { queue }) => queue === undefined || queue === mine.queue,
    });
    const { json } = await ask(`${address}api/queues`);
    expect(json['queues']).toMatchObject([{ name: mine.queue }]);
    expect((await ask(`${address}api/queue?queue=${other.queue}`)).status).toBe(403);
  });

  it('shows no queue but those that `queues` names', async () => {
    const [shown, hidden] = [await fillQueue(), await fillQueue()];
    const address = await startConsole({ queues: [shown.queue] });
    const answers = await callAll(address, hidden);
    for (const { path, hasQueue } of ROUTES)
      expect([path, answers.get(path)?.status]).toEqual([path, hasQueue ? 404 : 200]);
    await expectUntouched(hidden);
  });

  it('shows nothing that `redact` hides, in no view, and does not find it', async () => {
    const { queue, admin } = await fillQueue();
    const secret = new ServiceEvent(60, 'user.created', '{"password":"hunter2"}');
    const id = await admin.enqueue(secret, { headers: { token: 'hunter2' } });
    const redact: ConsoleOptions['redact'] = (message) => ({
      ...message,
      payload: message.payload?.replace('hunter2', '***') ?? null,
      headers: {},
      orderingKey: undefined,
    });
    const events = closing(new EventQueue(queue, url));
    await events.enqueue(new ServiceEvent(60, 'user.keyed', '1'), { orderingKey: 'hunter2' });
    const address = await startConsole({ redact });
    const query = new URLSearchParams({ queue, id, state: 'waiting' }).toString();
    for (const path of ['messages', 'message', 'search']) {
      const { text } = await ask(`${address}api/${path}?${query}`);
      expect(text).toContain('***');
      expect(text).not.toContain('hunter2');
    }
    for (const guess of ['text=hunter2', 'header=token%3Dhunter2']) {
      const { text } = await ask(`${address}api/search?queue=${queue}&${guess}`);
      expect(text).not.toContain(id);
    }
    const byKey = await ask(`${address}api/search?queue=${queue}&key=hunter2`);
    expect(byKey.text).not.toContain('user.keyed');
    expect((await ask(`${address}api/search?queue=${queue}&text=***`)).text).toContain(id);
  });

  it('sends headers that keep its page apart from others, and nothing is cached', async () => {
    const address = await startConsole({ queues: [newQueueName()] });
    const assets = (await ask(address)).text.match(/\.\/assets\/[^"]+/g) ?? [];
    expect(assets).toHaveLength(3);
    const answers = [
      await ask(address),
      await ask(`${address}api/queues`),
      await ask(`${address}api/nothing`),
      await ask(`${address}nothing`),
      ...(await Promise.all(assets.map((asset) => ask(new URL(asset, address).href)))),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 404, 200, 200, 200]);
    for (const { headers } of answers) {
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      const policy = headers.get('content-security-policy');
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
    }
  });

  it('reads no file but those of the page, whatever the address', async () => {
    const address = await startConsole();
    for (const path of ['../package.json', '%2e%2e/package.json', 'assets/../../index.js', '/etc/passwd']) {
      const { status, text } = await ask(`${address}${path}`);
      expect([path, status]).toEqual([path, 404]);
      expect(text).not.toContain('version');
    }
  });
});

describe('in production', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('a console does not start without `authorize` or `readOnly`', () => {
    vi.stubEnv('NODE_ENV', 'production');
    expect(() => new ElkMqConsole()).toThrow(/needs the option authorize or readOnly in production/);
    expect(() => new ElkMqConsole({ readOnly: false })).toThrow(/needs the option authorize/);
    expect(new ElkMqConsole({ readOnly: true })).toBeInstanceOf(ElkMqConsole);
    expect(new ElkMqConsole({ authorize: () => true })).toBeInstanceOf(ElkMqConsole);
  });
});

it.each([
  [{ readOnly: 'no' }, /readOnly must be true or false, got "no"/],
  [{ authorize: true }, /authorize must be a function, got true/],
  [{ queues: 'orders' }, /queues must be an array of names, got "orders"/],
  [{ queues: [7] }, /queue must be a string of well-formed Unicode, got 7/],
  [
    { authorise: () => false },
    /^ElkMqConsole has no option "authorise"; it has audit, authorize, credentials, .*, redis$/,
  ],
  [{ readonly: true }, /^ElkMqConsole has no option "readonly"; it has .*, readOnly,/],
  [{ queue: ['orders'] }, /^ElkMqConsole has no option "queue"; it has .*, queues,/],
  [{ path: '/elkmq' }, /^ElkMqConsole has no option "path"/],
  [null, /^ElkMqConsole takes an object of options \(audit, .*\), got null$/],
  [{ redis: 5 }, /^redis must be a URL, .*; got 5$/],
  [{ redis: 'http://127.0.0.1' }, /^url must be a URL .*, got one with the protocol "http:"$/],
  [{ credentials: 'secret' }, /^credentials must be a function/],
])('options that are wrong are named: %j', (options, message) => {
  expect(() => new ElkMqConsole(options as unknown as ConsoleOptions)).toThrow(message);
});
