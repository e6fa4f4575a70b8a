import { spawnSync } from 'node:child_process';

/**
 * Runs `work` while no usual process of the machine takes the processor from this one. Only Linux can do that, with
 * `chrt` and the rights of root.
 * @returns what `work` returns, and whether the machine did it
 */
export async function withoutPreemption<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ result: T; isAlone: boolean }> {
  const isAlone = schedule('--fifo', 1, pid);
  try {
    return { result: await work(), isAlone };
  } finally {
    if (isAlone) schedule('--other', 0, pid);
  }
}

/** Gives the process a scheduling policy of Linux, and a priority in it. Returns whether the system let it. */
function schedule(policy: string, priority: number, pid: number): boolean {
  return spawnSync('chrt', [policy, '--pid', String(priority), String(pid)]).status === 0;
}
