/** Parts of what may be done in a window that are drawn at once: most of what is done then asks nobody. */
const PARTS = 20

/**
 * What may be done in this window of time, drawn in parts from a count that is shared with other instances.
 * What was drawn and not used by the end of the window is void, so that never more is done than is allowed.
 */
export class Allowance {
  readonly #part: number
  readonly #draw: (points: number) => Promise<number>
  #points = 0
  /** When the window ends, on the clock of `performance.now()`. */
  #until = 0
  #drawing: Promise<void> | undefined

  /**
   * @param points what may be done in a window
   * @param draw takes points from the shared count; answers for how long they hold, in milliseconds; rejects where
   * there are not so many
   */
  constructor(points: number, draw: (points: number) => Promise<number>) {
    this.#part = Math.max(1, Math.floor(points / PARTS))
    this.#draw = draw
  }

  /** Rejects as drawing does. */
  async take(count: number): Promise<void> {
    while (!this.#takeDrawn(count)) {
      this.#drawing ??= this.#drawMore(Math.max(count, this.#part)).finally(() => {
        this.#drawing = undefined
      })
      await this.#drawing
    }
  }

  #takeDrawn(count: number): boolean {
    if (performance.now() >= this.#until || this.#points < count) return false
    this.#points -= count
    return true
  }

  async #drawMore(points: number): Promise<void> {
    const asked = performance.now()
    const ms = await this.#draw(points)
    const isSameWindow = performance.now() < this.#until
    this.#points = points + (isSameWindow ? this.#points : 0)
    this.#until = asked + Math.max(1, ms)
  }
}
