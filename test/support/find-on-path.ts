import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The program of this name; null where there is none. */
export async function findOnPath(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (await exists(path)) return path
  }
  return null
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
