/** How long a command may take, in milliseconds; then it is as if Redis were away. */
const COMMAND_TIMEOUT_MS = 1_000

/** That something failed, or took too long. */
export const FAILED = Symbol('failed')

/** Work with Redis that must not fail, nor take for ever. */
export class RedisAttempts {
  readonly #onFault: (error: unknown) => void
  #isFaultTold = false

  /** @param onFault told when faults begin, not of each */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault
  }

  /** What the work answers, in time. */
  async make<T>(work: () => Promise<T>, withinMs = COMMAND_TIMEOUT_MS): Promise<T | typeof FAILED> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const refuse = () => reject(new Error('Redis did not answer in time.'))
      // Where this process was busy for so long, the answer may be there, and not read yet.
      timer = setTimeout(() => setImmediate(() => setImmediate(refuse)), withinMs)
    })
    try {
      const answer = await Promise.race([work(), late])
      this.#isFaultTold = false
      return answer
    } catch (error) {
      if (!this.#isFaultTold) this.#onFault(error)
      this.#isFaultTold = true
      return FAILED
    } finally {
      clearTimeout(timer)
    }
  }
}
