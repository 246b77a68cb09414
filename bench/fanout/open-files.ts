import { readFileSync } from 'node:fs'

/** What a process has open besides its sockets. */
const OTHERS = 200

/** How many sockets a process may hold: Node raises the soft limit to the hard one by itself. */
export function maxSockets(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const soft = /^Max open files\s+(\w+)/m.exec(limits)?.[1]
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft) - OTHERS
}
