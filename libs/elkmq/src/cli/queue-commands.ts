import type { Command } from 'commander';
import { declare, durationOption, type Run } from './common-options.js';
import type { BenchOptions } from './commands/bench.js';
import type { DoctorOptions } from './commands/doctor.js';
import type { LimitsOptions } from './commands/limits.js';
import type { PauseOptions } from './commands/pause.js';
import type { QueuesOptions, TopOptions } from './commands/queues.js';
import type { StateOptions, WorkersOptions } from './commands/state.js';
import type { SchedulesCommandOptions } from './commands/schedules.js';
import type { CommonOptions } from './session.js';
import { parseCount, parseDuration, parsePause, parsePositive } from './values.js';

/** Declares the commands that look at whole queues. Each loads what it needs when it runs. */
export function addQueueCommands(program: Command, run: Run): void {
  declare(program, 'queues', 'List the queues of a Redis with their states.', 'queues --json')
    .option('--limit <n>', 'the largest number of queues', parseCount, 1_000)
    .action(async (options: QueuesOptions) => {
      const { queues } = await import('./commands/queues.js');
      await run(queues(options));
    });

  declare(
    program,
    'top [queues...]',
    'Show the states of queues again and again, the longest first.',
    'top --interval 1s',
  )
    .addOption(
      durationOption('--interval <duration>', 'the time between two looks', 2_000).argParser(parsePause),
    )
    .option('--count <n>', 'the number of looks; without it until Ctrl-C', parseCount)
    .action(async (names: string[], options: TopOptions) => {
      const { top } = await import('./commands/queues.js');
      await run(top(names, options));
    });

  declare(
    program,
    'state <queue>',
    'Show the state of a queue, and compare it with limits: beyond one the exit code is 1.',
    'state orders --max-oldest 5m --min-workers 1',
  )
    .option('--max-waiting <n>', 'the largest number of waiting messages', parseCount)
    .option('--max-oldest <duration>', 'the longest time that the first of them may wait', parseDuration)
    .option('--max-delayed <n>', 'the largest number of delayed messages', parseCount)
    .option('--max-dead <n>', 'the largest number of dead letters', parseCount)
    .option('--min-workers <n>', 'the smallest number of workers', parseCount)
    .action(async (queue: string, options: StateOptions) => {
      const { state } = await import('./commands/state.js');
      await run(state(queue, options));
    });

  declare(
    program,
    'workers <queue>',
    'List the workers of a queue: where they run, and how busy they are.',
    'workers orders --min 2',
  )
    .option('--min <n>', 'the smallest number of workers; below it the exit code is 1', parseCount)
    .action(async (queue: string, options: WorkersOptions) => {
      const { workers } = await import('./commands/state.js');
      await run(workers(queue, options));
    });

  declare(
    program,
    'pause <queue>',
    'Pause a queue: its workers take nothing until it is resumed.',
    'pause orders --by anna',
  )
    .option('--by <name>', 'who pauses it, for its state and the log of its workers')
    .action(async (queue: string, options: PauseOptions) => {
      const { pause } = await import('./commands/pause.js');
      await run(pause(queue, options));
    });

  declare(program, 'resume <queue>', 'End the pause of a queue.', 'resume orders').action(
    async (queue: string, options: CommonOptions) => {
      const { resume } = await import('./commands/pause.js');
      await run(resume(queue, options));
    },
  );

  declare(
    program,
    'limits <queue>',
    'Show the limits of a queue over all its workers, or set them in place of those before.',
    'limits orders --concurrency 10 --rate 100 --per 1s',
  )
    .option('--concurrency <n>', 'how many messages may run at once', parseCount)
    .option('--rate <n>', 'how many messages may start in the time --per', parseCount)
    .option('--per <duration>', 'the time of --rate, from 100ms; without it 1s', parseDuration)
    .option('--clear', 'let the queue have no limits')
    .action(async (queue: string, options: LimitsOptions) => {
      const { limits } = await import('./commands/limits.js');
      await run(limits(queue, options));
    });

  declare(
    program,
    'schedules <queue>',
    'List the schedules of a queue with their next times, or remove one.',
    'schedules orders --remove nightly-report',
  )
    .option('--remove <name>', 'remove this schedule; it comes back when a process declares it')
    .action(async (queue: string, options: SchedulesCommandOptions) => {
      const { listSchedules } = await import('./commands/schedules.js');
      await run(listSchedules(queue, options));
    });

  declare(
    program,
    'doctor [queues...]',
    'Look for what is wrong with Redis and its queues: what breaks, and what to do.',
    'doctor orders',
  )
    .addOption(durationOption('--max-latency <duration>', 'the longest time for 99 of 100 answers', 100))
    .addOption(durationOption('--max-clock <duration>', 'the largest difference between the clocks', 1_000))
    .addOption(durationOption('--max-oldest <duration>', 'the longest time that a message may wait', 300_000))
    .action(async (names: string[], options: DoctorOptions) => {
      const { doctor } = await import('./commands/doctor.js');
      await run(doctor(names, options));
    });

  declare(
    program,
    'bench',
    'Measure a small load on a queue of its own, which is removed afterwards.',
    'bench --events 20000 --in-flight 256',
  )
    .option('--events <n>', 'the number of events, from 1', parsePositive, 10_000)
    .option('--requests <n>', 'the number of requests, from 1', parsePositive, 5_000)
    .option('--in-flight <n>', 'how many messages are on their way at once, from 1', parsePositive, 100)
    .action(async (options: BenchOptions) => {
      const { bench } = await import('./commands/bench.js');
      await run(bench(options));
    });
}
