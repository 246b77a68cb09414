import type { CodegenConfig } from '@graphql-codegen/cli'

/** Reads the operations of this folder, and writes their types to `generated/`. */
const config: CodegenConfig = {
  schema: '../../schema.graphql', // in a project of yours: node_modules/carillon/schema.graphql
  documents: ['*.ts', '!*.config.ts'],
  generates: {
    'generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        enumsAsTypes: true,
        strictScalars: true,
        useTypeImports: true,
        scalars: {
          Cursor: 'string',
          DateTime: 'string', // ISO 8601 in UTC
          ID: 'string',
          JSON: { input: 'unknown', output: 'unknown' },
          Sequence: 'number',
          TopicName: 'string',
          TopicPattern: 'string',
        },
      },
    },
  },
}

export default config
