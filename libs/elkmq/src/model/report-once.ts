/** Passes each text on once. The partitions of a queue may give the same warning. */
export function reportOnce(report: (message: string) => void): (message: string) => void {
  const known = new Set<string>();
  return (message) => {
    if (known.has(message)) return;
    known.add(message);
    report(message);
  };
}
