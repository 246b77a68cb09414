import { addAbortSignal } from 'node:stream'
import { Failure } from './failure.ts'

/** The longest that standard input, or one line of it, may be, in characters: more than any server takes as a message. */
const MAX_TEXT = 8 * 1024 * 1024

/** All of standard input. @throws Failure where it is too long */
export async function readStdin(signal: AbortSignal): Promise<string> {
  let text = ''
  for await (const chunk of chunks(signal)) text = bounded(text + chunk)
  return text
}

/** A line of standard input, and which it is, counted from 1. */
export interface Line {
  readonly number: number
  readonly text: string
}

/** The lines that are not empty. It reads as fast as they are taken. @throws Failure where one is too long */
export async function* stdinLines(signal: AbortSignal): AsyncGenerator<Line, void> {
  let rest = ''
  let number = 0
  for await (const chunk of chunks(signal)) {
    const lines = (rest + chunk).split('\n')
    rest = bounded(lines.pop() ?? '')
    for (const text of lines) yield* lineOf(++number, text)
  }
  yield* lineOf(++number, rest)
}

function* lineOf(number: number, text: string): Generator<Line> {
  if (text.trim() !== '') yield { number, text }
}

function chunks(signal: AbortSignal): AsyncIterable<string> {
  return addAbortSignal(signal, process.stdin.setEncoding('utf8'))
}

function bounded(text: string): string {
  if (text.length <= MAX_TEXT) return text
  throw new Failure(`Standard input is too long: a message has at most ${MAX_TEXT} characters.`)
}
