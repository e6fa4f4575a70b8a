const BAR_WIDTH = 30;

/** Shows how far `work` is while it runs: in one line that changes on a terminal, else in a line for each quarter. */
export async function withProgress<T>(work: Promise<T>, total: number, countDone: () => number): Promise<T> {
  const draw = process.stdout.isTTY ? drawBar : quarterPrinter();
  const timer = setInterval(() => draw(countDone(), total), 50);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    draw(countDone(), total);
    if (process.stdout.isTTY) process.stdout.write('\n');
  }
}

function drawBar(done: number, total: number): void {
  const filled = Math.round((done / total) * BAR_WIDTH);
  process.stdout.write(`\r   ${'█'.repeat(filled).padEnd(BAR_WIDTH, '░')} ${done} of ${total} packages`);
}

function quarterPrinter(): (done: number, total: number) => void {
  let shown = 0;
  return (done, total) => {
    const quarters = Math.floor((4 * done) / total);
    if (quarters <= shown) return;
    shown = quarters;
    console.log(`   ${quarters * 25} %: ${done} of ${total} packages`);
  };
}
