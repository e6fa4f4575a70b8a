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
  const lines = guideOf(root).matchAll(/^ACL SETUSER orders on >secret (~\S+) (?:(&\S+) )?(.+)$/gm);
  return [...lines].map(([, keys = '', channels = '', rules = '']) => ({ keys, channels, rules }));
}

/**
 * The rules for keys and channels that the guide shows. Each is under its purpose: `a topic with partitions` →
 * `~{orders}* ~{orders#*}*`.
 */
export function publishedKeys(root: string): Record<string, string> {
  const lines = guideOf(root).matchAll(/^- (a (?:queue|topic)\b.*): `(~[^`]+)`$/gm);
  return Object.fromEntries(
    [...lines].map(([, purpose = '', rules = '']) => [purpose.replace(/\[(.+)\]\(.+\)/, '$1'), rules]),
  );
}

function guideOf(root: string): string {
  return readFileSync(join(root, 'docs/guides/redis.md'), 'utf8');
}
