/** Into how many stages at most something is divided. */
const MOST_STAGES = 30

export interface Stages {
  /** Items of a stage at least. */
  readonly size: number
  /** Resolves when the next stage may begin. */
  readonly pause: () => Promise<unknown>
}

/** Works on items in stages, with a pause between two: so what follows from it does not all come at once. */
export async function inStages<Item>(
  items: readonly Item[],
  work: (item: Item) => void,
  { size, pause }: Stages,
): Promise<void> {
  const each = Math.max(size, Math.ceil(items.length / MOST_STAGES))
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % each === 0) await pause()
    work(item)
  }
}
