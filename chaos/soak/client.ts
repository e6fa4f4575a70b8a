// A client of the soak: sends requests and events, at full speed or at a pace.
import { Logger } from '@nestjs/common';
import { ElkMqClient } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { endWithParent, tellParent } from '../../bench/parent.js';
import { heapAfterGc } from '../hostile/process-state.js';
import { QUEUE, type Answer, type Command } from './commands.js';

const IN_FLIGHT = 128;
/** What a pace may have under way: more than a killed worker can hold back. */
const MOST_IN_FLIGHT = 1_000;
const TICK_MS = 20;

const [url = ''] = process.argv.slice(2);
const client = new ElkMqClient({ url, queue: QUEUE });
const payload = { id: 0, text: 'x'.repeat(100) };
const problems: string[] = [];
let requests = 0;
let answered = 0;
let skipped = 0;
let pacing: NodeJS.Timeout | undefined;

/** One request and one event. */
async function sendPair(): Promise<void> {
  const id = ++requests;
  try {
    const event = lastValueFrom(client.emit('note', { ...payload, id }), { defaultValue: undefined });
    const answer = await lastValueFrom(client.send<{ id: number }>('ask', { ...payload, id }));
    await event;
    if (answer.id !== id) throw new Error(`request ${id} was answered with ${JSON.stringify(answer)}`);
    answered++;
  } catch (error) {
    if (problems.length < 10) problems.push(String(error));
  }
}

async function measure(ms: number): Promise<void> {
  const end = performance.now() + ms;
  const loop = async () => {
    while (performance.now() < end) await sendPair();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
}

function pace(perSecond: number): void {
  const start = performance.now();
  let sent = 0;
  pacing = setInterval(() => {
    for (const due = ((performance.now() - start) / 1_000) * perSecond; sent < due; sent++) {
      if (requests - answered - problems.length < MOST_IN_FLIGHT) void sendPair();
      else skipped++;
    }
  }, TICK_MS);
}

async function stop(): Promise<void> {
  clearInterval(pacing);
  const deadline = performance.now() + 15_000;
  while (requests > answered + problems.length && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function follow(command: Command): Promise<void> {
  if (command.do === 'measure') await measure(command.ms);
  else if (command.do === 'pace') pace(command.perSecond);
  else if (command.do === 'stop') await stop();
  const heapBytes = command.do === 'sample' ? heapAfterGc() : 0;
  const answer: Answer = { heapBytes, requests, answered, skipped, problems };
  tellParent(answer);
}

Logger.overrideLogger(['warn', 'error']);
endWithParent(() => client.close());
await client.connect();
process.on('message', (command: Command) => void follow(command));
tellParent('ready');
