import { deepStrictEqual } from 'node:assert/strict';
import { Logger } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import { applyLoad, type Load } from './load.js';
import { endWithParent, tellParent } from './parent.js';
import { ECHO, PAYLOAD } from './payload.js';
import { transportOfThisProcess } from './process-arguments.js';

/** The client process: puts the load on its transport that the parent asks for. */

Logger.overrideLogger(['warn', 'error', 'fatal']);
const { transport, url } = await transportOfThisProcess();
const client = transport.client(url);
const request = () => client.send<unknown, object>(ECHO, PAYLOAD);

async function answerWithMeasurement(load: Load): Promise<void> {
  try {
    tellParent(await applyLoad(request, load));
  } catch (error) {
    // Closing fails what is under way, and a parent that has left is not interested.
    if (process.connected) throw error;
  }
}

endWithParent(() => client.close());
await client.connect();
// Once, since comparing every answer would be measured as well.
deepStrictEqual(await firstValueFrom(request()), PAYLOAD);

process.on('message', (load: Load) => void answerWithMeasurement(load));
tellParent('ready');
