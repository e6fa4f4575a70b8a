// A relay that stops for ever between sending rows and committing their deletion, so that it can be killed there.
import { Logger } from '@nestjs/common';
import { ElkMqClient } from 'nestjs-elkmq';
import { OutboxRelay } from 'nestjs-elkmq/outbox';
import pg from 'pg';
import { transferOf } from '../support/outbox.js';
import { endWithParent, tellParent } from './parent.js';

const [url = '', queue = '', database = ''] = process.argv.slice(2);

Logger.overrideLogger(['error']);
const pool = new pg.Pool({ connectionString: database });
const client = new ElkMqClient({ url, queue });
const transfer = transferOf(pool, () => {
  tellParent({ sent: true });
  return new Promise(() => undefined);
});
const relay = new OutboxRelay({ name: 'outbox', client, transfer });
relay.start();
tellParent({ ready: true });
endWithParent(() => Promise.resolve());
