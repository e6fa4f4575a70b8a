/** `JSON.stringify` with its real type: it answers `undefined` for what JSON cannot say, such as a function. */
export const toJson: (value: unknown) => string | undefined = JSON.stringify;
