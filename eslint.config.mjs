import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** The core knows no framework, and nothing knows the demo. */
const FRAMEWORK = [
  { group: ['@nestjs/*', 'rxjs', 'rxjs/*', 'reflect-metadata'], message: 'The core imports no framework.' },
  { group: ['**/nest/**'], message: 'The core does not know the Nest transport.' },
];
const DEMO = { group: ['**/apps/**'], message: 'Nothing imports the demo.' };

export default tseslint.config(
  {
    ignores: [
      ...['**/dist/**', '**/node_modules/**', '**/scripts.generated.ts'],
      // Projects that see the package as it is built, which need not be there. Tests compile them.
      ...['test/jest-project/**', 'test/strict-consumer/**'],
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
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: [DEMO] }],
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
  {
    files: ['libs/elkmq/src/core/**'],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [...FRAMEWORK, DEMO] }] },
  },
  {
    // Nest reads the types of constructor and method parameters at run time, so those imports are values.
    files: ['apps/**', 'test/**', 'bench/**', 'chaos/**', 'libs/elkmq/src/nest/**'],
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
