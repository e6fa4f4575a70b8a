import type { Redis } from 'ioredis';
import type { Bytes, EventKind, Fate, KeyKind, Scene } from './kind.js';
import { EVENT_KINDS } from './event-kinds.js';
import { KEY_KINDS } from './key-kinds.js';
import type { Random } from '../random.js';

/** A hostile entry that was written. */
export interface Written {
  readonly kind: string;
  readonly fate: Fate;
  /** The id of its entry in the event stream, or the name that its kind was given. */
  readonly name: string;
  readonly isEvent: boolean;
}

/** One part in so many goes to other keys than the event stream. */
const OTHER_KEYS = 8;

/** Writes `count` hostile entries, of kinds at random. */
export async function flood(redis: Redis, count: number, random: Random, scene: Scene): Promise<Written[]> {
  const pipeline = redis.pipeline();
  const add = ([command, ...args]: Bytes[]) => pipeline.call(String(command), args);
  const written: (Written & { answer: number })[] = [];
  let commands = 0;
  for (let index = 0; index < count; index++) {
    if (random.whole(1, OTHER_KEYS) > 1) {
      const { name: kind, fate, fields } = byWeight<EventKind>(EVENT_KINDS, random);
      add(['XADD', `${scene.queue}(event_stream)`, '*', ...fields(random, scene)]);
      written.push({ kind, fate, name: '', isEvent: true, answer: commands++ });
    } else {
      const { name: kind, fate, commands: make } = byWeight<KeyKind>(KEY_KINDS, random);
      const name = `1-${String(scene.next())}`;
      for (const command of make(random, scene, name)) {
        add(command);
        commands++;
      }
      written.push({ kind, fate, name, isEvent: false, answer: commands - 1 });
    }
  }
  const answers = (await pipeline.exec()) ?? [];
  return written.map(({ answer, ...entry }) => {
    const [error, id] = answers[answer] as [Error | null, unknown];
    if (error) throw new Error(`'${entry.kind}' could not be written: ${error.message}`);
    return entry.isEvent ? { ...entry, name: String(id) } : entry;
  });
}

function byWeight<Kind extends { weight: number }>(kinds: readonly Kind[], random: Random): Kind {
  let left = random.fraction() * kinds.reduce((sum, { weight }) => sum + weight, 0);
  const kind = kinds.find(({ weight }) => (left -= weight) < 0) ?? kinds[0];
  if (!kind) throw new Error('there are no kinds');
  return kind;
}
