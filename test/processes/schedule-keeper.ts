// Declares schedules, and stores their events.
import { Schedules, type Schedule } from 'nestjs-elkmq';
import { endWithParent, tellParent } from './parent.js';

const [url = '', queue = '', schedule = ''] = process.argv.slice(2);
const schedules = new Schedules(queue, url);
await schedules.declare(JSON.parse(schedule) as Schedule);
endWithParent(() => schedules.close());
tellParent({ ready: true });
