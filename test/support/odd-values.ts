import fc from 'fast-check';

/** A value that throws whatever is done with it. */
function untouchable(): object {
  const refuse = (): never => {
    throw new Error('it cannot be touched');
  };
  return new Proxy(
    {},
    { get: refuse, getPrototypeOf: refuse, ownKeys: refuse, has: refuse, getOwnPropertyDescriptor: refuse },
  );
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function circular(): object {
  const value: Record<string, unknown> = { amount: 5n };
  value['self'] = value;
  return value;
}

const plain = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\ud800', 'x'.repeat(100_000), Symbol('odd'), 5n),
);
const anything = fc.oneof(
  plain.map((value) => () => value),
  fc.constantFrom(circular, revoked, untouchable, () => revoked),
);

/** Errors of which some members are of another type, are missing, or throw when they are read. */
const errors = fc
  .tuple(
    fc.dictionary(
      fc.constantFrom('name', 'message', 'stack', 'code', 'cause', 'toJSON', 'toString'),
      anything,
    ),
    fc.boolean(),
  )
  .map(([members, areGetters]) => () => {
    const error = new Error('odd');
    // Its stack is written when it is first looked at, by its name and message.
    String(error.stack);
    for (const [name, make] of Object.entries(members)) {
      const value = make();
      const getter = {
        get: () => {
          throw value;
        },
      };
      Object.defineProperty(error, name, areGetters ? getter : { value, enumerable: true });
    }
    return error;
  });

/** Makers of whatever can be thrown; fast-check itself looks into values, which some of these do not bear. */
export const oddValues: fc.Arbitrary<() => unknown> = fc.oneof(anything, errors);
