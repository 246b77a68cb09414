import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = new URL('../../', import.meta.url)
const MEGABYTE = 1_000_000
const INSTALL = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund']

export interface PackageSize {
  readonly name: string
  readonly megabytes: number
}

/** The packages that `npm ci --omit=dev` installs, the largest first. */
export async function installedPackages(): Promise<readonly PackageSize[]> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-install-'))
  try {
    for (const file of ['package.json', 'package-lock.json']) {
      await copyFile(new URL(file, ROOT), join(folder, file))
    }
    await promisify(execFile)('npm', INSTALL, { cwd: folder })
    return await packagesIn(join(folder, 'node_modules'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function packagesIn(modules: string): Promise<readonly PackageSize[]> {
  const sizes: PackageSize[] = []
  for (const name of await packageNames(modules)) {
    sizes.push({ name, megabytes: (await bytesIn(join(modules, name))) / MEGABYTE })
  }
  return sizes.sort((one, other) => other.megabytes - one.megabytes)
}

async function packageNames(modules: string): Promise<readonly string[]> {
  const names: string[] = []
  for (const name of await readdir(modules)) {
    if (name.startsWith('.')) continue
    if (!name.startsWith('@')) names.push(name)
    else for (const scoped of await readdir(join(modules, name))) names.push(`${name}/${scoped}`)
  }
  return names
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
  )
  return sizes.reduce((bytes, size) => bytes + size, 0)
}
