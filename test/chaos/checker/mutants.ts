import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Rule } from './judge.ts'
import type { Fault } from './schedule.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** A part of the built server, and what stands there instead. */
interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A server that is broken on purpose, and how that shows. */
export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
  /** What provokes it. */
  readonly scenario:
    | { readonly kind: 'faults'; readonly faults: readonly Fault[]; readonly seconds: number }
    | { readonly kind: 'purge' }
  /** The checker has to find one of these broken. */
  readonly breaks: readonly Rule[]
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'repairs no holes',
    edits: [
      {
        file: 'hub/repair.js',
        find: 'schedule(delayMs) {',
        replace: 'schedule(delayMs) { return;',
      },
    ],
    scenario: { kind: 'faults', faults: ['cut subscribers of Redis', 'kill Redis'], seconds: 12 },
    breaks: ['nothing lost', 'at the head in the end'],
  },
  {
    name: 'acknowledges before the commit is on disk',
    edits: [
      {
        file: 'database/postgresql.js',
        find: 'keepAlive: true,',
        replace: "keepAlive: true, options: '-c synchronous_commit=off',",
      },
    ],
    scenario: { kind: 'faults', faults: ['kill PostgreSQL'], seconds: 12 },
    breaks: ['acknowledged is kept', 'one payload a sequence'],
  },
  {
    name: 'reads the log before it subscribes to the bus, and takes what comes for the next message',
    edits: [
      {
        file: 'hub/live-topic.js',
        find: 'const subscription = await bus.subscribe(',
        replace: `const early = await log.topic(this.name);
        await new Promise((resolve) => setTimeout(resolve, 200));
        const subscription = await bus.subscribe(`,
      },
      {
        file: 'hub/live-topic.js',
        find: 'this.#begin(await log.topic(this.name));',
        replace: 'this.#begin(early);',
      },
      {
        file: 'hub/live-topic.js',
        find: 'else if (message.sequence === this.#head + 1)',
        replace: 'else if (message.sequence > this.#head)',
      },
      {
        file: 'hub/cohort.js',
        find: 'sequence === this.#position + 1',
        replace: 'sequence > this.#position',
      },
    ],
    scenario: { kind: 'faults', faults: ['kill a server'], seconds: 15 },
    breaks: ['nothing lost'],
  },
  {
    name: 'compares no epochs',
    edits: [
      {
        file: 'hub/start.js',
        find: 'if (epoch !== state.epoch) {',
        replace: 'if (false) {',
      },
      {
        file: 'hub/topic-reader.js',
        find: 'return this.#epoch === this.#topic.epoch;',
        replace: 'return true;',
      },
    ],
    scenario: { kind: 'purge' },
    breaks: ['nothing lost', 'at the head in the end'],
  },
  {
    name: 'forgets idempotency keys',
    edits: [
      {
        file: 'log/publish-statement.js',
        find: 'column(drafts, (draft) => draft.idempotencyKey)',
        replace: 'null',
      },
    ],
    scenario: { kind: 'faults', faults: ['cut clients'], seconds: 6 },
    breaks: ['published once'],
  },
  {
    name: 'forgets what consumers have acknowledged',
    edits: [
      {
        file: 'consumers/prisma-consumer-store.js',
        find: 'return new Map(rows.map(({ topic, acked }) => [topic, acked]));',
        replace: 'return new Map();',
      },
    ],
    scenario: { kind: 'faults', faults: ['cut clients'], seconds: 6 },
    breaks: ['nothing twice'],
  },
]

/** @throws Error where the text does not have the place exactly once. */
export function edited(text: string, { file, find, replace }: Edit): string {
  if (text.split(find).length !== 2) throw new Error(`${file} does not have "${find}" once.`)
  return text.replace(find, () => replace)
}

/** A copy of the build with a defect, removed in the end. */
export interface MutantBuild extends AsyncDisposable {
  readonly path: string
}

export async function buildMutant({ edits }: Mutant): Promise<MutantBuild> {
  // Below node_modules, so that it finds the packages.
  const home = join(ROOT, 'node_modules', '.carillon-mutants')
  await mkdir(home, { recursive: true })
  const folder = await mkdtemp(join(home, 'mutant-'))
  for (const part of ['dist', 'prisma', 'package.json']) {
    await cp(join(ROOT, part), join(folder, part), { recursive: true })
  }
  for (const edit of edits) {
    const path = join(folder, 'dist', edit.file)
    await writeFile(path, edited(await readFile(path, 'utf8'), edit))
  }
  return {
    path: join(folder, 'dist'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
