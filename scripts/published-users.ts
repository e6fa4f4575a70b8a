import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PublishedUser {
  /** Patterns of keys, as in an ACL rule. */
  readonly keys: string;
  /** Patterns of channels; '' when there are none. */
  readonly channels: string;
  readonly rules: string;
}

/** The users of Redis that the guide shows: one with all rights that the package uses, and one without those that hosts refuse. */
export function publishedUsers(root: string): PublishedUser[] {
  const guide = readFileSync(join(root, 'docs/guides/redis.md'), 'utf8');
  const lines = guide.matchAll(/^ACL SETUSER orders on >secret (~\S+) (?:(&\S+) )?(.+)$/gm);
  return [...lines].map(([, keys = '', channels = '', rules = '']) => ({ keys, channels, rules }));
}
