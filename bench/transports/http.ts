import { Agent, request, type IncomingMessage } from 'node:http';
import { ElkMqClient } from 'nestjs-elkmq';
import type { BenchClient, BenchTransport, Outcome } from './bench-transport.js';
import { elkmq } from './elkmq.js';
import { redis, redisClient } from './redis.js';

/** An Express API in front of a transport. The client is a caller of the API; its CPU is not a part of the figures. */

function client(url: string): BenchClient {
  const agent = new Agent({ keepAlive: true });
  const post = (pattern: string, data: object): Outcome => ({
    subscribe({ next, complete, error }) {
      const failed = (cause: unknown): void => error?.(cause);
      const body = JSON.stringify(data);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      request(`${url}/${pattern}`, { method: 'POST', agent, headers }, (response) => {
        readText(response)
          .then((text) => {
            if (Number(response.statusCode) >= 300)
              throw new Error(`the API answered ${String(response.statusCode)}: ${text}`);
            if (text !== '') next?.(JSON.parse(text));
            complete?.();
          }, failed)
          .catch(failed);
      })
        .on('error', failed)
        .end(body);
      return undefined;
    },
  });
  return {
    connect: () => Promise.resolve(),
    send: post,
    emit: post,
    close: () => {
      agent.destroy();
    },
  };
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return text;
}

export const httpElkmq: BenchTransport = {
  ...elkmq,
  title: 'Express, ElkMQ',
  client,
  apiClient: (url) => new ElkMqClient({ queue: 'bench', url }),
};

export const httpRedis: BenchTransport = {
  ...redis,
  title: 'Express, Nest Redis',
  client,
  apiClient: redisClient,
};
