import { commandsOf, type Need } from './rights.js';

const EVALSHA: Need = {
  commands: ['evalsha'],
  cost: 'each call carries the text of its script, which is slower',
};

const COST_OF_NO_PUSHES =
  'replies are not pushed, so clients wait for them in blocking reads, which cost more';

/** The channel of an inbox has its name. Channels have rules of their own since Redis 6.2. */
const PUSHING: Need = {
  commands: ['publish'],
  cost: COST_OF_NO_PUSHES,
  rules: (key) => `+publish +subscribe ${channelsOf(key)}`,
};

const PUSHING_ON_CLUSTER: Need = {
  commands: ['spublish'],
  cost: COST_OF_NO_PUSHES,
  rules: (key) => `+spublish +ssubscribe ${channelsOf(key)}`,
  isNewer: true,
};

/** Each partition gives the rules for all of them, so the log has one line. */
const PUSHING_IN_PARTITIONS: Need = {
  ...PUSHING_ON_CLUSTER,
  rules: (key) => {
    const first = channelsOf(key).replace(/#\d+\.\d+\}/, '}');
    return `+spublish +ssubscribe ${first} ${first.replace('}', '#*}')}`;
  },
};

/** @param hasPartitions whether the queue has partitions */
export function pushingNeed(isCluster: boolean, hasPartitions = false): Need {
  if (!isCluster) return PUSHING;
  return hasPartitions ? PUSHING_IN_PARTITIONS : PUSHING_ON_CLUSTER;
}

/** The ACL rule for the channels of a queue, or of a partition of it. */
function channelsOf(key: string): string {
  return `&${key.slice(0, key.lastIndexOf('('))}(*`;
}

/** Without one of these, messages with an ordering key are not served. */
const ORDERING: Need = {
  commands: ['hincrby', 'incrby', ...commandsOf('settleKeyed')],
  cost: 'no message with an ordering key can be sent or settled',
};

/** A queue that legacy clients have used has lists and streams of theirs. */
const LEGACY: Need = {
  commands: commandsOf(
    'arbitrate',
    'answerLegacy',
    'cleanHistory',
    'cleanList',
    'cleanLeftovers',
    'cleanResponses',
  ),
  cost: 'legacy clients are not served, and what they leave behind stays',
};

export interface NeedsOfWorker {
  /** Whether it pushes replies. Default true. */
  readonly pushes?: boolean;
  /** Whether its queue has partitions. Default false. */
  readonly hasPartitions?: boolean;
}

/**
 * The commands that a worker needs, the most important first.
 * @param isCluster whether this is Redis Cluster, where no read is unblocked
 */
export function needsOfWorker(
  isCluster: boolean,
  { pushes = true, hasPartitions = false }: NeedsOfWorker = {},
): Need[] {
  return [
    {
      isEssential: true,
      commands: [
        ...['eval', 'xreadgroup', 'xpending', 'xclaim', 'xack', 'xdel', 'xadd', 'exists'],
        ...commandsOf('joinGroup', 'time'),
      ],
      cost: 'no message can be taken, kept, answered and settled',
    },
    EVALSHA,
    ORDERING,
    {
      commands: commandsOf('deadLetter', 'removeAbandonedLetter'),
      cost: 'what fails is not kept as a dead letter, and stays pending',
    },
    {
      commands: [...commandsOf('delay', 'promote'), 'zrange'],
      cost: 'no message can be delayed or tried again',
    },
    {
      commands: ['xinfo|consumers', 'xpending', 'xrange'],
      cost: 'what is left by workers that have gone is not found',
    },
    { commands: commandsOf('requeue', 'skip'), cost: 'what was taken and not started is not put back' },
    { commands: commandsOf('leaveGroup'), cost: 'workers that have gone stay in the consumer group' },
    {
      commands: commandsOf('reply', 'answerInPart', 'settleDeduplicated', 'settleDeduplicatedBatch'),
      cost: 'deduplicated requests and replies of several values are not answered',
    },
    {
      commands: ['hmget', ...commandsOf('takeCancelled')],
      cost: 'handlers are not told that nobody waits for them any more, and the worker does not see that its queue is paused or has limits',
    },
    { commands: commandsOf('take'), cost: 'a queue with limits is not read' },
    ...(isCluster
      ? []
      : [
          {
            commands: ['client|id', 'client|unblock'],
            cost: 'a worker that stops waits for its read to end, for up to a second',
          },
        ]),
    {
      commands: commandsOf('announce', 'listWorkers'),
      cost: 'the worker is in no registry, so state() and the health check do not count it',
    },
    {
      commands: ['hscan', ...commandsOf('healLanes', 'rebuildLanes')],
      cost: 'an ordering key whose message was deleted by hand stays blocked',
    },
    { commands: commandsOf('countRates'), cost: 'what this worker does is not in the rates of the queue' },
    ...(pushes ? [pushingNeed(isCluster, hasPartitions)] : []),
    { commands: ['xtrim'], cost: 'messages that are done are removed one by one, which is slower' },
    { commands: commandsOf('queueState'), cost: 'state() and the health check fail' },
    LEGACY,
  ];
}

/** The commands that a worker of a subscription needs beside those of every worker. */
export function needsOfSubscriber(): Need[] {
  return [
    {
      isEssential: true,
      commands: ['hgetall', ...commandsOf('subscribe')],
      cost: 'the subscription cannot be added to its topic',
    },
  ];
}

/** The commands that a process needs beside those of a worker when it declares schedules. */
export function needsOfScheduler(): Need[] {
  return [
    {
      isEssential: true,
      commands: commandsOf('declareSchedule', 'readSchedules', 'runSchedule'),
      cost: 'no schedule can be declared and run',
    },
  ];
}

/** The commands that a client of a topic needs, the most important first. */
export function needsOfPublisher(minReplicas: number): Need[] {
  return [
    {
      isEssential: true,
      commands: ['eval', ...commandsOf('publish')],
      cost: 'nothing can be published',
    },
    ...(minReplicas > 0
      ? [{ isEssential: true, commands: ['wait'], cost: 'minReplicas cannot be kept' }]
      : []),
    EVALSHA,
    {
      commands: commandsOf('publishWithOptions'),
      cost: 'no event with a delay, an ordering key or a deduplication key can be published',
    },
    {
      commands: ['set', ...commandsOf('readBusyLanes', 'trimWaiting')],
      cost: 'the retention of subscriptions is not kept, and their queues can grow',
    },
  ];
}

export interface NeedsOfClient {
  readonly legacyConsumers: boolean;
  readonly minReplicas: number;
  /** Whether its queue has partitions. Default false. */
  readonly hasPartitions?: boolean;
}

/** The commands that a client needs, the most important first. */
export function needsOfClient(
  { legacyConsumers, minReplicas, hasPartitions }: NeedsOfClient,
  isCluster: boolean,
): Need[] {
  return [
    {
      isEssential: true,
      commands: ['eval', ...commandsOf('enqueue')],
      cost: 'nothing can be sent',
    },
    ...(minReplicas > 0
      ? [{ isEssential: true, commands: ['wait'], cost: 'minReplicas cannot be kept' }]
      : []),
    EVALSHA,
    {
      commands: ['hincrby', 'incrby'],
      cost: 'no message with an ordering key, and hardly any with a delay, can be sent',
    },
    { commands: ['xread'], cost: 'no reply to a request can be read' },
    {
      commands: commandsOf('enqueueWithOptions').filter((command) => command !== 'lpush'),
      cost: 'no message with a delay, a deduplication key or headers can be sent, nor any with maxQueueLength',
    },
    {
      commands: commandsOf('cancel', 'leaveRequest'),
      cost: 'requests that nobody waits for any more are handled all the same',
    },
    pushingNeed(isCluster, hasPartitions),
    { commands: commandsOf('countRates'), cost: 'what is sent is not in the rates of the queue' },
    { commands: commandsOf('queueState'), cost: 'state() and the health check fail' },
    {
      commands: commandsOf(
        'listDeadLetters',
        'getDeadLetter',
        'countDeadLetters',
        'revive',
        'removeDeadLetters',
      ),
      cost: 'dead letters cannot be listed, tried again and removed',
    },
    ...(legacyConsumers ? [{ ...LEGACY, commands: ['lpush', ...LEGACY.commands] }] : []),
  ];
}
