/** Wakes one that waits; a ring while nobody waits is heard by the next wait. */
export class Bell {
  #isRung = false
  #wake: (() => void) | undefined

  ring(): void {
    this.#isRung = true
    this.#wake?.()
  }

  /** Resolves at the next ring, or after so many milliseconds. */
  async heard(withinMs?: number): Promise<void> {
    if (!this.#isRung) await this.#wait(withinMs)
    this.#isRung = false
  }

  #wait(withinMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => this.#wake?.(), withinMs)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }
}
