import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CodeBlock, codeBlocks, type Page, ROOT } from '../support/markdown.ts'

/** A program of the documentation: a block of its own, or all blocks of a page that are not. */
export interface Program {
  readonly page: string
  /** Of its first block. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** What it prints; undefined where the page does not say. */
  readonly output: string | undefined
  /** A shell command to run while it runs. */
  readonly meanwhile: string | undefined
}

export function programsOf(page: Page): readonly Program[] {
  const programs: { first: CodeBlock; texts: string[]; outputs: string[]; meanwhile?: string }[] =
    []
  let shared: (typeof programs)[number] | undefined
  let current: (typeof programs)[number] | undefined
  for (const block of codeBlocks(page)) {
    if (isProgram(block)) {
      const alone = block.mark === 'standalone'
      current = alone ? undefined : shared
      if (current === undefined) {
        current = { first: block, texts: [], outputs: [] }
        programs.push(current)
      }
      if (!alone) shared = current
      current.texts.push(block.text)
    } else if (current !== undefined && block.language === 'text' && block.mark === 'output') {
      current.outputs.push(block.text)
      current = undefined
    } else if (current !== undefined && block.language === 'bash') {
      current.meanwhile = block.text
    }
  }
  return programs.map(({ first, texts, outputs, meanwhile }) => ({
    page: page.path,
    line: first.line,
    language: first.language,
    text: texts.join('\n'),
    output: outputs.length === 0 ? undefined : `${outputs.join('\n')}\n`,
    meanwhile,
  }))
}

export function isProgram({ language }: CodeBlock): boolean {
  return language === 'ts' || language === 'js'
}

/** A folder inside the package, where `carillon` is this package. */
export interface ProgramFolder extends AsyncDisposable {
  readonly path: string
  /** Writes a program; the path of its file. */
  add(program: Program, text: string): Promise<string>
  /** Compiles all that was added in TypeScript, or checks its types only. */
  compile(options: 'emit' | 'check'): Promise<string>
}

export async function createProgramFolder(): Promise<ProgramFolder> {
  const path = await mkdtemp(join(ROOT, 'test/.docs-'))
  return {
    path,
    async add({ page, line, language }, text) {
      const file = join(path, `${page.replaceAll(/\W/g, '-')}-${line}.${language}`)
      await writeFile(file, text)
      return file
    },
    compile: (options) => compile(path, COMPILER_OPTIONS[options]),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

const COMPILER_OPTIONS = {
  check: {},
  emit: { noCheck: true, noEmit: false, rewriteRelativeImportExtensions: true },
} as const

/** What the compiler prints about the TypeScript of a folder. */
async function compile(path: string, options: object): Promise<string> {
  const configuration = {
    extends: '../../tsconfig.json',
    compilerOptions: { paths: {}, noUnusedLocals: false, lib: ['esnext'], ...options },
    include: ['*.ts'],
  }
  await writeFile(join(path, 'tsconfig.json'), JSON.stringify(configuration))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  await using compiler = run(process.execPath, [tsc, '-p', path])
  return await compiler.finished()
}

export interface RunningProgram extends AsyncDisposable {
  /** What it has printed, once it has ended without a fault. */
  finished(): Promise<string>
}

export interface RunOptions {
  /** Default: the root of the repository. */
  readonly cwd?: string
  /** For TypeScript. Default: one without the paths of the project's own, so that `carillon` is what is in dist/. */
  readonly tsconfig?: string
}

/** Runs a command; killed when disposed of. */
export function run(
  command: string,
  args: readonly string[],
  { cwd = ROOT, tsconfig = join(ROOT, 'tsconfig.build.json') }: RunOptions = {},
): RunningProgram {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = collect(child)
  return {
    finished: () => output,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await output.catch(() => undefined)
    },
  }
}

async function collect(child: ChildProcess): Promise<string> {
  const texts = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => {
    texts.stdout += String(chunk)
  })
  child.stderr?.on('data', (chunk) => {
    texts.stderr += String(chunk)
  })
  const [code] = await once(child, 'close')
  if (code === 0) return texts.stdout
  throw new Error(`It ended with ${code}:\n${texts.stdout}\n${texts.stderr}`)
}
