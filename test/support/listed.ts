import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CarillonOptions } from 'carillon'
import { startServer, type TestServer } from './carillon.ts'

/** A server that takes only the operations of a file, which has this text. */
export async function startListed(
  text: string,
  options: CarillonOptions = {},
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-test-'))
  const operationsFile = join(folder, 'operations.json')
  try {
    await writeFile(operationsFile, text)
    return await startServer({ operationsFile, ...options })
  } finally {
    await rm(folder, { recursive: true })
  }
}
