import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * The shell becomes the server, so our child is the server itself. Before that it leaves a watcher behind that
 * reads the lifeline, a pipe which the system closes when our process ends, even by SIGKILL. End of input
 * makes the watcher clean up; a first line tells it that the server is gone (its process id may soon be
 * somebody else's), and a second one that the data folder is no longer its business. The watcher is a
 * grandchild, so that the server does not find a child that it did not start.
 */
const watchedServer = `
folder=$1
shift
( (
  read -r gone <&3 || kill -KILL $$
  read -r keep <&3 || [ -z "$folder" ] || rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
) </dev/null >/dev/null 2>&1 & )
exec "$@" 3<&-
`;

/** A server process with the watcher that ends it, and removes its folder, when our process ends. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  readonly lifeline: Socket;
}

/** A guard against hanging: on a busy machine some servers need long. */
const START_MS = 120_000;

export class PortTaken extends Error {}

/**
 * Starts a server and waits until it answers.
 * @param isReady asks it; Redis by default
 */
export async function launch(
  command: readonly string[],
  port: number,
  dir: string,
  isTemporary: boolean,
  isReady: (port: number, pid: number) => Promise<boolean> = answers,
): Promise<Running> {
  const logFile = join(dir, 'redis.log');
  const log = openSync(logFile, 'w');
  const child = spawn('/bin/sh', ['-c', watchedServer, 'sh', isTemporary ? dir : '', ...command], {
    detached: true, // its own process group, which Ctrl-C in our terminal does not reach
    stdio: ['ignore', log, log, 'pipe'],
  });
  closeSync(log);
  await once(child, 'spawn');
  const { pid = 0 } = child;
  const lifeline = child.stdio[3] as Socket;
  lifeline.on('error', () => {}); // the watcher was killed: nothing left to tell it
  lifeline.resume();
  child.once('exit', () => lifeline.write('gone\n'));

  const deadline = Date.now() + START_MS;
  while (!(await isReady(port, pid))) {
    if (hasEnded(child) || Date.now() > deadline) {
      const what = hasEnded(child) ? 'ended at its start' : 'does not answer';
      await end(child, 'SIGKILL');
      releaseFolder({ lifeline });
      const output = (await readFile(logFile, 'utf8')).trim().slice(-2000);
      const StartError = /in use/i.test(output) ? PortTaken : Error;
      throw new StartError(`${String(command[0])} ${what}. The end of its output:\n${output}`);
    }
    await delay(10);
  }
  child.unref();
  lifeline.unref();
  return { child, pid, port, lifeline };
}

/** Whether our server answers PING. The process id tells it from another server that has the port. */
function answers(port: number, pid: number): Promise<boolean> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\nINFO server\r\nQUIT\r\n'));
    socket.setTimeout(1000, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (text: string) => (reply += text));
    socket.on('error', () => {}); // refused: it does not listen yet
    socket.on('close', () => resolve(reply.includes('+PONG') && reply.includes(`process_id:${pid}\r\n`)));
  });
}

/** To be called when the server has ended and its folder is gone, or belongs to the next server. */
export function releaseFolder({ lifeline }: Pick<Running, 'lifeline'>): void {
  lifeline.end('keep\n');
}

export async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return;
  child.ref();
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000); // it may be busy in a script, or suspended
  await once(child, 'exit');
  clearTimeout(timer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
