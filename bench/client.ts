import { deepStrictEqual } from 'node:assert/strict';
import { Logger } from '@nestjs/common';
import { applyLoad, type Load } from './load.js';
import { endWithParent, tellParent } from './parent.js';
import { ECHO, EVENT, PAYLOAD } from './payload.js';
import { transportOfThisProcess } from './process-arguments.js';

/** The client process: puts the load on its transport that the parent asks for. */

Logger.overrideLogger(['error', 'fatal']);
const { transport, url } = await transportOfThisProcess();
const client = transport.client(url);
const { payload = PAYLOAD } = transport;
const request = () => client.send(ECHO, payload);
const emit = () => client.emit(EVENT, payload);

async function answerWithMeasurement(load: Load): Promise<void> {
  try {
    tellParent(await applyLoad(load.isEmitting ? emit : request, load));
  } catch (error) {
    // Closing fails what is under way, and a parent that has left is not interested.
    if (process.connected) throw error;
  }
}

endWithParent(() => client.close());
await client.connect();
if (transport.carries !== 'events') {
  // Once, since comparing every answer would be measured as well.
  deepStrictEqual(
    await new Promise((next, error) => {
      request().subscribe({ next, error });
    }),
    payload,
  );
}

process.on('message', (load: Load) => void answerWithMeasurement(load));
tellParent('ready');
