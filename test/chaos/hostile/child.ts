import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process that answers questions, ended with its owner. */
export interface Child<Ready> extends AsyncDisposable {
  readonly ready: Ready
  /** Rejects where it ends instead. */
  ask<T>(kind: string, body?: object): Promise<T>
}

interface Answer {
  readonly number: number
  readonly answer?: unknown
  readonly error?: string
}

/** How long a process may take to end once it was told to, in milliseconds. */
const END_MS = 12_000

/** @param file beside this one; TypeScript goes through tsx */
export async function startChild<Ready>(file: string, argument: object): Promise<Child<Ready>> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(argument)], {
    execArgv: file.endsWith('.ts') ? ['--import', 'tsx'] : [],
  })
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${file} ended with ${code ?? signal}`)
  })
  ended.catch(() => undefined) // told to whoever asks
  const [{ ready }] = (await Promise.race([once(child, 'message'), ended])) as [{ ready: Ready }]
  let questions = 0

  function ask<T>(kind: string, body: object = {}): Promise<T> {
    const number = ++questions
    const answered = new Promise<T>((resolve, reject) => {
      const hear = ({ number: of, answer, error }: Answer) => {
        if (of !== number) return
        child.off('message', hear)
        if (error === undefined) resolve(answer as T)
        else reject(new Error(`${file}: ${error}`))
      }
      child.on('message', hear)
    })
    const sent = new Promise<never>((_, reject) => {
      child.send({ number, kind, body }, (error) => error && reject(error))
    })
    return Promise.race([answered, ended, sent])
  }

  return { ready, ask, [Symbol.asyncDispose]: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const impatient = setTimeout(() => child.kill('SIGKILL'), END_MS)
  if (child.connected) child.disconnect()
  await exited
  clearTimeout(impatient)
}

type Handler = (body: never) => unknown

/** The other end: answers by these, and ends with its parent. */
export function answer(ready: object, handlers: Readonly<Record<string, Handler>>): void {
  process.on(
    'message',
    ({ number, kind, body }: { number: number; kind: string; body: object }) => {
      void reply(number, () => handlers[kind]?.(body as never))
    },
  )
  process.on('disconnect', () => process.exit(0))
  process.send?.({ ready })
}

async function reply(number: number, work: () => unknown): Promise<void> {
  try {
    process.send?.({ number, answer: await work() })
  } catch (error) {
    process.send?.({ number, error: String(error) })
  }
}
