// Starts a private Redis, tells about it, and then waits to be killed, or ends without stopping it.
import { startRedis } from '../../scripts/redis.js';

const { port, dir } = await startRedis();
console.log(JSON.stringify({ port, dir }));
if (process.argv[2] === 'wait') setInterval(() => {}, 60_000);
