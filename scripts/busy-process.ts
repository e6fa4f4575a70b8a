// Keeps a core busy until the process that has forked it ends, however that ends: their channel closes then.
const TURN_MS = 20;

process.once('disconnect', () => process.exit());
// It may have ended while this module was loaded.
if (!process.connected) process.exit();

function spin(): void {
  const end = performance.now() + TURN_MS;
  while (performance.now() < end);
  setImmediate(spin);
}

spin();
