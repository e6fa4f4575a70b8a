import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/**
 * The folders of libs/elkmq/src from the bottom to the top: a folder imports from itself and from the lines before its
 * own. Folders of one line do not know each other.
 */
const LAYERS = [
  ['model'],
  ['redis'],
  ['dead-letters', 'legacy'],
  ['context'],
  ['producer', 'consumer'],
  ['settling', 'requests', 'admin'],
  ['topics', 'schedules'],
  ['maintenance'],
  ['event-queue', 'worker'],
  ['testing'],
  ['cli'],
];
const FRAMEWORK = {
  group: ['@nestjs/*', 'rxjs', 'rxjs/*', 'reflect-metadata', 'nestjs-elkmq', '**/nestjs-elkmq/**'],
  message: 'The queue imports no framework.',
};
const LEGACY = {
  group: ['../legacy/*', '!../legacy/bridge.js'],
  message: 'legacy/bridge.ts is the one door to what exists for legacy clients.',
};
const DEMO = { group: ['**/apps/**'], message: 'Nothing imports the demo.' };

/**
 * @param {{ group: string[], message: string }[]} patterns
 * @returns {import('@typescript-eslint/utils').TSESLint.FlatConfig.Rules}
 */
function restrictImports(...patterns) {
  return { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] };
}

/**
 * @param {string} folder
 * @returns {{ group: string[], message: string }[]} what files of the folder may not import
 */
function foldersAbove(folder) {
  const layer = LAYERS.findIndex((folders) => folders.includes(folder));
  const above = LAYERS.slice(layer)
    .flat()
    .filter((other) => other !== folder);
  if (above.length === 0) return [];
  const message = `${folder}/ imports only from folders below it: see LAYERS in eslint.config.mjs.`;
  return [{ group: above.map((other) => `../${other}/*`), message }];
}

export default tseslint.config(
  {
    ignores: [
      ...['**/dist/**', '**/node_modules/**', '**/scripts.generated.ts'],
      // Projects that see the package as it is built, which need not be there. Tests compile them.
      ...['test/jest-project/**', 'test/strict-consumer/**'],
      // Programs of other projects' users, with packages of their own.
      'bench/peers/**',
    ],
  },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      globals: globals.node,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-extraneous-class': [
        'error',
        { allowWithDecorator: true, allowStaticOnly: true },
      ],
      ...restrictImports(DEMO),
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Nest declares its options as classes; plain objects are how everyone writes them.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // One public signature, one for the inside that declarations leave out.
      '@typescript-eslint/unified-signatures': 'off',
      'no-console': 'error',
    },
  },
  { files: ['libs/elkmq/src/**'], rules: restrictImports(FRAMEWORK, DEMO) },
  ...LAYERS.flat().map((folder) => ({
    files: [`libs/elkmq/src/${folder}/**`],
    rules: restrictImports(FRAMEWORK, DEMO, LEGACY, ...foldersAbove(folder)),
  })),
  {
    // Nest reads the types of constructor and method parameters at run time, so those imports are values.
    files: ['apps/**', 'test/**', 'bench/**', 'chaos/**', 'libs/nestjs-elkmq/src/**'],
    rules: {
      '@typescript-eslint/consistent-type-imports': 'off',
      // @EventPattern<string>(…) means another overload than @EventPattern(…).
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
    },
  },
  {
    files: ['apps/**', 'scripts/**', 'bench/**', 'chaos/**', 'test/processes/**', 'test/interop/**'],
    rules: { 'no-console': 'off' },
  },
  { files: ['**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
);
