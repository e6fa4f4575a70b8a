import { expect, it } from 'vitest';
import { MessageTurns } from '../../libs/elkmq/src/redis/message-turns.js';

/** The messages that each turn of the event loop has received, of a number that come at once. */
async function turnsOf(count: number): Promise<string[][]> {
  const turns: string[][] = [[]];
  const messages = new MessageTurns((message) => turns.at(-1)?.push(message));
  for (let n = 1; n <= count; n++) messages.addMessage(String(n));
  const all = messages.whenReceived();
  while (turns.flat().length < count) {
    turns.push([]);
    await new Promise(setImmediate);
  }
  await all;
  return turns;
}

it.each([
  [1, [['1']]],
  [2, [['1'], ['2']]],
  [3, [['1'], ['2'], ['3']]],
])('%i messages have a turn each', async (count, turns) => {
  expect(await turnsOf(count)).toEqual(turns);
});

it('more messages than two that wait are received in one turn, in their order', async () => {
  expect(await turnsOf(4)).toEqual([['1'], ['2', '3', '4']]);
  expect((await turnsOf(1_000)).map((turn) => turn.length)).toEqual([1, 999]);
});

it('messages that are dropped are not received', async () => {
  const received: string[] = [];
  const messages = new MessageTurns((message) => received.push(message));
  for (const message of ['1', '2', '3']) messages.addMessage(message);
  messages.dropMessages();
  await messages.whenReceived();
  await new Promise(setImmediate);
  messages.addMessage('4');
  expect(received).toEqual(['1', '4']);
});
