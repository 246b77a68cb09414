// Run by `npm ci` and `npm install`: generates the Prisma client into src/generated.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import process from 'node:process'

const require = createRequire(import.meta.url)

function resolvePrisma() {
  try {
    return require.resolve('prisma/build/index.js')
  } catch {
    return undefined // npm ci --omit=dev: the published files are built already
  }
}

const prisma = resolvePrisma()
if (prisma !== undefined) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [prisma, 'generate', '--no-hints'],
    {
      encoding: 'utf8',
      env: {
        ...process.env,
        // Generating needs no schema engine, yet Prisma would download one; it does not where this
        // variable names any file that exists.
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        CHECKPOINT_DISABLE: '1',
      },
    },
  )
  if (status !== 0) process.stderr.write(`${stdout}${stderr}`)
  process.exitCode = status ?? 1
}
