import { fileURLToPath } from 'node:url';
import { needsOfClient, needsOfWorker } from '../../libs/elkmq/src/redis/needs.js';
import { commandsOf, type Need } from '../../libs/elkmq/src/redis/rights.js';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { publishedUsers } from '../../scripts/published-users.js';
import type { ScriptName } from '../../libs/elkmq/src/redis/scripts.js';

/** Commands that are asked for and not needed: `INFO` and `CONFIG GET`, with which a start looks for settings to warn of. */
const ASKED = ['info', 'config|get'];

/** Every command that the package sends, as ACL rules name them. */
export function commandsUsed(): string[] {
  const names = ({ commands }: Need): readonly string[] => commands;
  return [
    ...new Set([
      ...commandsOf(...(Object.keys(SCRIPTS) as ScriptName[])),
      ...needsOfWorker(false).flatMap(names),
      ...needsOfClient({ legacyConsumers: true, minReplicas: 1 }).flatMap(names),
      ...ASKED,
    ]),
  ].sort();
}

/** The users that the guide shows. */
export const PUBLISHED_USERS = publishedUsers(fileURLToPath(new URL('../..', import.meta.url)));
