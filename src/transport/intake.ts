import { Spare } from './spare.ts'

/** One that has input to work on. */
export interface Inlet {
  /** Works on a small part of it; answers whether more is waiting that may be worked on. */
  step(): boolean
}

/** How long input is worked on until everything else gets the process, in milliseconds. */
const SLICE_MS = 0.5

/** Turns in two windows from which on someone counts as busy; one that leaves something waiting counts for all of them. */
const MANY_TURNS = 16

/** Turns in two windows up to which someone sends now and then, with the one under way. Well below the others: those who do much alike hold nobody back. */
const FEW_TURNS = 6

/** Of the windows in which turns are counted, in milliseconds. */
const WINDOW_MS = 100

/** How long those who are busy leave a part of the process alone after an operation of others, in milliseconds. */
const SHARED_MS = 1_000

/** What reading costs besides the time that it takes, in milliseconds a byte: its memory is collected later, partly by other threads. */
const MS_PER_BYTE = 0.15 / 2_048

export function readingCost(bytes: number): number {
  return bytes * MS_PER_BYTE
}

/** How often those are looked at who may not go on yet, in milliseconds. */
const LOOK_MS = 1

/**
 * What clients send, in small parts and by turns, so that one who sends as fast as it can does not keep others
 * waiting for longer than such a part. Whoever sends now and then comes before those who are busy: who have more
 * waiting, or had many turns just before (https://www.rfc-editor.org/rfc/rfc8290#section-4.2). And as what is sent takes
 * the process, the database and memory long after it was read, those who are busy leave a part of the process idle
 * as long as others ask for something now and then. Where nobody else does, they may use it up.
 */
export class Intake {
  /** Those who wait and send now and then. */
  readonly #sparse = new Set<Inlet>()
  readonly #busy = new Set<Inlet>()
  readonly #queues = new Map<string, Queue>()
  readonly #spare: Pick<Spare, 'take' | 'spend'>
  /** Turns of each in this window, and in the one before. Keeps none of those that are gone. */
  #turns = new WeakMap<Inlet, number>()
  #turnsBefore = new WeakMap<Inlet, number>()
  #windowEnd = 0
  #isScheduled = false
  #isWorking = false
  /** Whether what a turn was for is being done. */
  #isFollowed = false
  /** Looks again at whether those who are busy may go on. */
  #look: NodeJS.Timeout | undefined
  #wasSparse = false
  /** Whose turn it is. */
  #current: Inlet | undefined
  /** Who of those that send now and then began an operation last, when, and when another one of them did. */
  #sharedBy: Inlet | undefined
  #sharedAt = Number.NEGATIVE_INFINITY
  #sharedBefore = Number.NEGATIVE_INFINITY
  /** Whether those who are busy have turns in this slice. */
  #takesBusy = false
  /** Until when input is worked on in this turn of the event loop, on the clock of `performance.now()`. */
  #until = 0

  constructor(spare: Pick<Spare, 'take' | 'spend'> = new Spare()) {
    this.#spare = spare
  }

  /** Whether others than this one, and than those who are busy, have asked for something not long ago. */
  isSharedBeside(inlet: Inlet | undefined): boolean {
    const sharedAt = inlet === this.#sharedBy ? this.#sharedBefore : this.#sharedAt
    return performance.now() - sharedAt < SHARED_MS
  }

  /** Works on it as soon as it is its turn: now, where there is time. Nothing where it waits already. */
  add(inlet: Inlet): void {
    if (this.#sparse.has(inlet) || this.#busy.has(inlet)) return
    const now = performance.now()
    if (this.#turnsOf(inlet, now) >= MANY_TURNS) this.#busy.add(inlet)
    else this.#sparse.add(inlet)
    if (!this.#isScheduled) this.#goOn()
    else if (this.#isAlone && now < this.#until) this.#work()
  }

  /**
   * Resolves when it is one's turn: at once, where nobody waits. What follows on it before anything is waited for
   * counts for the slice.
   * @param source who asks: those of one source take the turns of one
   */
  next(source: string): Promise<void> {
    const queue = this.#queueOf(source)
    return new Promise((resolve) => {
      queue.push(resolve)
      this.add(queue)
    })
  }

  /** Told of each operation, by what it came: those who are busy leave room for those who ask now and then. */
  begin(by: Inlet | string): void {
    const inlet = typeof by === 'string' ? this.#queueOf(by) : by
    const hasMore = this.#busy.has(inlet) || (inlet === this.#current && !this.#wasSparse)
    const now = performance.now()
    if (hasMore || this.#turnsOf(inlet, now) >= FEW_TURNS) return
    if (inlet !== this.#sharedBy) this.#sharedBefore = this.#sharedAt
    this.#sharedBy = inlet
    this.#sharedAt = now
  }

  /** Takes what a turn cost that does not show in the time that it took, in milliseconds. */
  spend(ms: number): void {
    if (!this.#spare.spend(ms) && this.isSharedBeside(this.#current)) this.#takesBusy = false
  }

  get #isAlone(): boolean {
    return this.#sparse.size + this.#busy.size === 1
  }

  #queueOf(source: string): Queue {
    let queue = this.#queues.get(source)
    if (queue === undefined) {
      queue = new Queue(() => this.#follow())
      this.#queues.set(source, queue)
    }
    return queue
  }

  #count(inlet: Inlet, now: number, turns: number): void {
    if (now >= this.#windowEnd) this.#nextWindow(now)
    this.#turns.set(inlet, (this.#turns.get(inlet) ?? 0) + turns)
  }

  /** In this window and the one before. */
  #turnsOf(inlet: Inlet, now: number): number {
    if (now >= this.#windowEnd) this.#nextWindow(now)
    return (this.#turns.get(inlet) ?? 0) + (this.#turnsBefore.get(inlet) ?? 0)
  }

  #nextWindow(now: number): void {
    this.#turnsBefore = now < this.#windowEnd + WINDOW_MS ? this.#turns : new WeakMap()
    this.#turns = new WeakMap()
    this.#windowEnd = now + WINDOW_MS
    for (const [source, queue] of this.#queues) {
      const isIdle = queue.isEmpty && !this.#turnsBefore.has(queue)
      if (isIdle && queue !== this.#sharedBy) this.#queues.delete(source)
    }
  }

  /** A slice, where anybody waits who may go on. */
  #goOn(): void {
    const now = performance.now()
    const areBusy = this.#busy.size > 0
    const [first] = this.#busy
    const isShared = this.isSharedBeside(this.#busy.size === 1 ? first : undefined)
    this.#takesBusy = !isShared || (areBusy && this.#spare.take(now))
    if (this.#sparse.size > 0 || (areBusy && this.#takesBusy)) this.#beginSlice(now)
    else if (areBusy) this.#look ??= setTimeout(() => this.#lookAgain(), LOOK_MS)
  }

  #lookAgain(): void {
    this.#look = undefined
    if (!this.#isScheduled) this.#goOn()
  }

  /** A turn of the event loop, and another one as long as anybody waits. */
  #beginSlice(now: number): void {
    this.#isScheduled = true
    this.#until = now + SLICE_MS
    setImmediate(() => {
      this.#isScheduled = false
      this.#goOn()
    })
    this.#work()
  }

  #work(): void {
    if (this.#isWorking || this.#isFollowed) return
    this.#isWorking = true
    try {
      let now = performance.now()
      do {
        const inlet = this.#take()
        if (inlet === undefined) break
        this.#current = inlet
        const hasMore = inlet.step()
        this.#count(inlet, now, hasMore ? MANY_TURNS : 1)
        if (hasMore && !this.#sparse.has(inlet)) this.#busy.add(inlet)
        now = performance.now()
      } while (!this.#isFollowed && now < this.#until)
    } finally {
      this.#current = undefined
      this.#isWorking = false
    }
  }

  /** Goes on with the slice once all is done that a turn was for: ticks wait for all microtasks. */
  #follow(): void {
    this.#isFollowed = true
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#isFollowed = false
        if (this.#isScheduled && performance.now() < this.#until) this.#work()
      }),
    )
  }

  /** Who is busy gets every other turn: those that keep coming with a little must not keep it waiting for ever. */
  #take(): Inlet | undefined {
    const [sparse] = this.#sparse
    const [busy] = this.#takesBusy ? this.#busy : []
    const inlet = this.#wasSparse ? (busy ?? sparse) : (sparse ?? busy)
    if (inlet === undefined) return undefined
    this.#wasSparse = inlet === sparse
    this.#sparse.delete(inlet)
    this.#busy.delete(inlet)
    return inlet
  }
}

/** Those of one source who wait for their turn. */
class Queue implements Inlet {
  readonly #onTurn: () => void
  readonly #waiting: (() => void)[] = []

  constructor(onTurn: () => void) {
    this.#onTurn = onTurn
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  push(resolve: () => void): void {
    this.#waiting.push(resolve)
  }

  step(): boolean {
    this.#waiting.shift()?.()
    this.#onTurn()
    return !this.isEmpty
  }
}
