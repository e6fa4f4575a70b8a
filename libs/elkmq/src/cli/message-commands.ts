import { Option, type Command } from 'commander';
import type { DeadLetterReason } from '../dead-letters/dead-letter.js';
import { declare, declareChange, durationOption, type Run } from './common-options.js';
import type { DeadChangeOptions, DeadListOptions, DeadMoveOptions } from './commands/dead.js';
import type { FindOptions, PeekOptions } from './commands/messages.js';
import type { MoveOptions } from './commands/move.js';
import type { PurgeOptions } from './commands/purge.js';
import type { EmitOptions, SendOptions } from './commands/sending.js';
import type { TailOptions } from './commands/tail.js';
import type { CommonOptions } from './session.js';
import { collectPair, parseCount, parseDuration, parseText, parseTime } from './values.js';

const STATES = ['waiting', 'ordered', 'running', 'delayed', 'dead'];
/** The module of dead letters is not loaded for its list, so the compiler compares this one with it. */
const REASONS = Object.keys({
  abandoned: true,
  exhausted: true,
  expired: true,
  failed: true,
  malformed: true,
  rejected: true,
  unhandled: true,
} satisfies Record<DeadLetterReason, true>);

/** Declares the commands that look at messages and change them. Each loads what it needs when it runs. */
export function addMessageCommands(program: Command, run: Run): void {
  declare(
    program,
    'peek <queue>',
    'Show the first messages of a queue. None is taken.',
    'peek orders --state delayed --limit 5',
  )
    .addOption(stateOption('--state <state>').default('waiting'))
    .option('--limit <n>', 'the largest number of messages, up to 1000', parseCount, 10)
    .option('--after <place>', 'go on after a page: its `next`')
    .action(async (queue: string, options: PeekOptions) => {
      const { peek } = await import('./commands/messages.js');
      await run(peek(queue, options));
    });

  filtered(
    declare(
      program,
      'find <queue>',
      'Search the newest messages of a queue.',
      'find orders --pattern "order.*" --text 4711 --since 2h',
    ),
  )
    .addOption(new Option('--state <state...>', 'only these states').choices(STATES))
    .option('--newest <n>', 'the number of messages that are searched', parseCount, 100_000)
    .option('--limit <n>', 'the largest number of messages that are shown', parseCount, 100)
    .action(async (queue: string, options: FindOptions) => {
      const { find } = await import('./commands/messages.js');
      await run(find(queue, options));
    });

  declare(
    program,
    'show <queue> <id>',
    'Show one message, in whatever state it is.',
    'show orders 1700000000000-0',
  ).action(async (queue: string, id: string, options: CommonOptions) => {
    const { show } = await import('./commands/messages.js');
    await run(show(queue, id, options));
  });

  declare(
    program,
    'tail <queue>',
    'Show messages as they are stored. None is taken.',
    'tail orders --pattern order.placed',
  )
    .option('--pattern <pattern>', 'only messages with this pattern', parseText)
    .option('--limit <n>', 'end after this number of messages', parseCount)
    .action(async (queue: string, options: TailOptions) => {
      const { tail } = await import('./commands/tail.js');
      await run(tail(queue, options));
    });

  addSending(program, run);
  addDead(program, run);
  addMove(program, run);

  declareChange(
    program,
    'purge <queue>',
    'Delete all messages of a state. Callers that wait for a reply get none.',
    'purge orders --state waiting --yes',
  )
    .addOption(
      new Option('--state <state>', 'the state')
        .choices(['waiting', 'delayed', 'dead'])
        .makeOptionMandatory(),
    )
    .action(async (queue: string, options: PurgeOptions) => {
      const { purge } = await import('./commands/purge.js');
      await run(purge(queue, options));
    });
}

/** Adds the options of a filter of messages. */
function filtered(command: Command): Command {
  return command
    .option('--pattern <pattern>', 'the pattern; * stands for any characters', parseText)
    .option('--text <text>', 'text in the payload', parseText)
    .option('--header <name=value>', 'a header; can be given several times', collectPair)
    .option('--key <key>', 'the ordering key', parseText)
    .addOption(new Option('--reason <reason>', 'the reason of a dead letter').choices(REASONS))
    .option('--since <time>', 'stored at this time or later: a date, or a duration before now', parseTime)
    .option('--until <time>', 'stored at this time or earlier', parseTime);
}

function addMove(program: Command, run: Run): void {
  const states = new Option('--state <state...>', 'messages of these states').choices(STATES);
  filtered(
    declareChange(
      program,
      'move <queue> [ids...]',
      'Move messages to another queue: those named, those that a search finds, or --all. Requests stay.',
      'move orders --to orders-later --pattern "order.*" --yes',
    ),
  )
    .requiredOption('--to <queue>', 'the other queue, on the same Redis', parseText)
    .option('--all', 'all messages of the states')
    .option('--rest', 'only what an earlier move has left on its way')
    .addOption(states.default(['waiting', 'ordered', 'delayed']))
    .action(async (queue: string, ids: string[], options: MoveOptions) => {
      const { move } = await import('./commands/move.js');
      await run(move(queue, ids, options));
    });
}

function addSending(program: Command, run: Run): void {
  declare(
    program,
    'emit <queue> <pattern> [payload]',
    'Store an event. The payload is JSON; - reads it from standard input.',
    'emit orders order.placed \'{"id":7}\'',
  )
    .option('--header <name=value>', 'a header; can be given several times', collectPair)
    .option('--delay <duration>', 'the time to wait before it is handled', parseDuration)
    .addOption(durationOption('--timeout <duration>', 'how long it is worth handling', 65_535_000))
    .option('--text', 'the payload is text, and is sent as a JSON string')
    .action(async (queue: string, pattern: string, payload: string | undefined, options: EmitOptions) => {
      const { emit } = await import('./commands/sending.js');
      await run(emit(queue, pattern, payload, options));
    });

  declare(
    program,
    'send <queue> <pattern> [payload]',
    'Send a request, and write each value of the answer as a line of JSON.',
    'send orders order.total \'{"id":7}\' --timeout 5s',
  )
    .option('--header <name=value>', 'a header; can be given several times', collectPair)
    .addOption(durationOption('--timeout <duration>', 'how long to wait for the answer', 30_000))
    .option('--text', 'the payload is text, and is sent as a JSON string')
    .action(async (queue: string, pattern: string, payload: string | undefined, options: SendOptions) => {
      const { send } = await import('./commands/sending.js');
      await run(send(queue, pattern, payload, options));
    });
}

function addDead(program: Command, run: Run): void {
  const dead = program.command('dead').description('Look at dead letters, retry and remove them.');
  const selection = (command: Command): Command =>
    command
      .option('--pattern <pattern>', 'those with this pattern; * stands for any characters', parseText)
      .addOption(new Option('--reason <reason>', 'those with this reason').choices(REASONS));

  selection(
    declare(dead, 'ls <queue>', 'List dead letters, the last one first.', 'dead ls orders --reason failed'),
  )
    .option('--limit <n>', 'the largest number of letters', parseCount, 100)
    .action(async (queue: string, options: DeadListOptions) => {
      const { list } = await import('./commands/dead.js');
      await run(list(queue, options));
    });

  declare(dead, 'show <queue> <origin>', 'Show one dead letter.', 'dead show orders 1700000000000-0').action(
    async (queue: string, origin: string, options: CommonOptions) => {
      const { show } = await import('./commands/dead.js');
      await run(show(queue, origin, options));
    },
  );

  selection(
    declareChange(
      dead,
      'retry <queue> [origins...]',
      'Put dead letters back into the queue: those named, those with a pattern or reason, or --all.',
      'dead retry orders --reason failed --yes',
    ),
  )
    .option('--all', 'all dead letters')
    .action(async (queue: string, origins: string[], options: DeadChangeOptions) => {
      const { retry } = await import('./commands/dead.js');
      await run(retry(queue, origins, options));
    });

  selection(
    declareChange(
      dead,
      'move <queue> [origins...]',
      'Move dead letters to another queue: those named, those with a pattern or reason, or --all.',
      'dead move orders --to orders-later --reason failed --yes',
    ),
  )
    .requiredOption('--to <queue>', 'the other queue, on the same Redis', parseText)
    .option('--all', 'all dead letters')
    .action(async (queue: string, origins: string[], options: DeadMoveOptions) => {
      const { move } = await import('./commands/dead.js');
      await run(move(queue, origins, options));
    });

  selection(
    declareChange(
      dead,
      'rm <queue> [origins...]',
      'Delete dead letters: those named, those with a pattern or reason, or --all.',
      'dead rm orders --reason expired --dry-run',
    ),
  )
    .option('--all', 'all dead letters')
    .action(async (queue: string, origins: string[], options: DeadChangeOptions) => {
      const { remove } = await import('./commands/dead.js');
      await run(remove(queue, origins, options));
    });
}

function stateOption(flags: string): Option {
  return new Option(flags, 'the state').choices(STATES);
}
