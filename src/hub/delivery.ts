/** What stands between what happened and a subscriber. */
export interface Delivery<Event> {
  /** Equal for two subscribers only if both get the same. */
  readonly cohort: string
  /**
   * What the subscriber gets instead; undefined where it gets nothing. Called for one event after the
   * other. Rejects with what the subscriber is told in its place.
   */
  through(event: Event): Promise<Event | undefined>
}
