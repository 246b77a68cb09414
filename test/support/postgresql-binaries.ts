import { access, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The folder with `initdb` and `postgres`: on the PATH, or where Debian keeps its versions. */
export async function findBinaries(): Promise<string | null> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => [])
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a))
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...newestFirst.map((version) => join('/usr/lib/postgresql', version, 'bin')),
  ]
  for (const folder of folders) if (await hasBinaries(folder)) return folder
  return null
}

async function hasBinaries(folder: string): Promise<boolean> {
  const files = ['initdb', 'postgres'].map((name) => access(join(folder, name)))
  const found = await Promise.allSettled(files)
  return found.every(({ status }) => status === 'fulfilled')
}
