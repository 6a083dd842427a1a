import temporal from 'eslint-plugin-temporal';
import tseslint from 'typescript-eslint';

/** Only src/config.ts reads the environment: everything else is given its settings. */
const noEnvironment = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Only src/config.ts reads the environment; take the setting as a parameter.',
};
const plainLanguage = [
  { selector: 'TSEnumDeclaration', message: 'Use a union of literals.' },
  { selector: 'ExportDefaultDeclaration', message: 'Use a named export.' },
  { selector: 'TSModuleDeclaration', message: 'Use a module.' },
];

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'coverage/',
      'test-output/',
      'node_modules/',
      '*.js',
      '*.cjs',
      '*.mjs',
      'test/support/*.js',
      'bench/**/*.cjs',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-console': 'error',
      'func-style': ['error', 'declaration', { allowArrowFunctions: true }],
      'no-restricted-syntax': ['error', ...plainLanguage],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Counts and ids stand in sentences all over; what would print `[object Object]` is still refused.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      // `noPropertyAccessFromIndexSignature` of the compiler asks for the brackets that this rule forbids.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Asks for the `!` that `no-non-null-assertion` forbids.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/config.ts', 'src/dev/**', 'src/cli/run-part.ts'],
    rules: { 'no-restricted-syntax': ['error', noEnvironment, ...plainLanguage] },
  },
  { files: ['src/workflows/**/*.ts'], ...temporal.configs.workflow },
  {
    files: ['src/workflows/**/*.ts'],
    rules: {
      // Takes `setHandler` for asynchronous; the typed `no-floating-promises` above knows better.
      'temporal/workflow-no-floating-promises': 'off',
      // Means workflow functions, and sees every exported one.
      'temporal/workflow-prefer-single-object-args': 'off',
      // A pause lasts until somebody resumes: that wait has no end by design. All others go through `waitActive`.
      'temporal/workflow-condition-timeout-style': 'off',
      'temporal/workflow-prefer-cancellation-scope-with-timeout': 'off',
      // Typed by its one parameter; a query has no arguments.
      'temporal/workflow-require-explicit-payload-types': 'off',
    },
  },
  { files: ['src/activities/**/*.ts'], ...temporal.configs.activity },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Answers of HTTP and of fakes are read as they come; the assertions are their check.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
      // Activities are closures that their factory returns as methods.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
