import { visibleLines } from './visible-text.ts'

export function print(text: string): void {
  process.stdout.write(text)
}

/** For the person who looks on: it does not get into what takes the output. Servers may have written some of it. */
export function note(text: string): void {
  process.stderr.write(visibleLines(text))
}
