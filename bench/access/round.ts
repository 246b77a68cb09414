/** A server under test. */
export interface Subject {
  readonly origin: string
  readonly pid: number
  /** Of the tokens that it asks for; undefined in open mode. */
  readonly secret: string | undefined
}

export interface Durations {
  readonly warmUpMs: number
  readonly measureMs: number
}

export interface Round extends Subject, Durations {}

/** What a round found. */
export interface Sample {
  /** CPU of the server's process, all threads, for one unit. */
  readonly cpuMicros: number
  /** Units. */
  readonly perSecond: number
  /** Share of a core that the load generator was busy. */
  readonly loadBusy: number
}
