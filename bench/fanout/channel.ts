import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** What one process may ask of another: one argument each, and an answer. */
type Commands<C> = { readonly [K in keyof C]: (argument: never) => unknown }

/** Whatever takes longer has stopped, in milliseconds; so the bench ends by itself. */
const ANSWER_TIMEOUT_MS = 60_000

interface Question {
  readonly number: number
  readonly name: string
  readonly argument: unknown
}

type Answer = { readonly number: number } & (
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'failure'; readonly message: string }
)

/** Another process that answers commands, ended afterwards. */
export interface Remote<C extends Commands<C>> extends AsyncDisposable {
  readonly pid: number
  ask<K extends keyof C & string>(
    name: K,
    ...argument: Parameters<C[K]>
  ): Promise<Awaited<ReturnType<C[K]>>>
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** Starts a program that calls `answerCommands`. */
export function startRemote<C extends Commands<C>>(program: string): Remote<C> {
  const file = new URL(program, import.meta.url)
  const child = fork(file, { execArgv: ['--expose-gc', '--import', 'tsx'] })
  const waiting = new Map<number, Waiting>()
  child.on('message', (answer: Answer) => settle(answer, waiting))
  child.once('exit', (code, signal) => {
    const error = new Error(`${program} ended with ${code ?? signal}`)
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer)
      reject(error)
    }
    waiting.clear()
  })
  let number = 0
  return {
    pid: child.pid ?? 0,
    ask(name, argument) {
      if (!child.connected) return Promise.reject(new Error(`${program} has ended`))
      const question: Question = { number: number++, name, argument }
      child.send(question)
      return new Promise((resolve, reject) => {
        const late = new Error(`${program} did not answer "${name}" in time`)
        const timer = setTimeout(() => reject(late), ANSWER_TIMEOUT_MS)
        waiting.set(question.number, { resolve, reject, timer })
      })
    },
    [Symbol.asyncDispose]: () => end(child),
  }
}

function settle(answer: Answer, waiting: Map<number, Waiting>): void {
  const asked = waiting.get(answer.number)
  waiting.delete(answer.number)
  clearTimeout(asked?.timer)
  if (answer.kind === 'answer') asked?.resolve(answer.value as never)
  else asked?.reject(new Error(answer.message))
}

/** Nothing in it is worth an orderly end, and thousands of sockets would take one. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** The other side: answers the process that started this one, and ends with it. */
export function answerCommands<C extends Commands<C>>(commands: C): void {
  process.on('disconnect', () => process.exit())
  process.on('message', ({ number, name, argument }: Question) => {
    const command = commands[name as keyof C] as (argument: never) => unknown
    const reply = (answer: Answer) => process.send?.(answer)
    new Promise((resolve) => resolve(command(argument as never))).then(
      (value) => reply({ number, kind: 'answer', value }),
      (error: Error) => reply({ number, kind: 'failure', message: error.stack ?? error.message }),
    )
  })
}
