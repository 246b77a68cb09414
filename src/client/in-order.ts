/** Of lists that are ordered by sequence. */
export type SequenceOf<Item> = (item: Item) => number

/** Where an item with this sequence is, or would be. */
function indexOf<Item>(
  items: readonly Item[],
  sequence: number,
  sequenceOf: SequenceOf<Item>,
): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && sequenceOf(item) < sequence) low = middle + 1
    else high = middle
  }
  return low
}

/** With one more, in its place; the same list where it has one with this sequence. */
export function withItem<Item>(
  items: readonly Item[],
  item: Item,
  sequenceOf: SequenceOf<Item>,
): readonly Item[] {
  const sequence = sequenceOf(item)
  const index = indexOf(items, sequence, sequenceOf)
  const there = items[index]
  if (there !== undefined && sequenceOf(there) === sequence) return items
  return items.toSpliced(index, 0, item)
}

/** Two lists as one. Of two items with the same sequence, that of the second list stays. */
export function merged<Item>(
  older: readonly Item[],
  newer: readonly Item[],
  sequenceOf: SequenceOf<Item>,
): readonly Item[] {
  const bySequence = new Map<number, Item>()
  for (const item of [...older, ...newer]) bySequence.set(sequenceOf(item), item)
  return [...bySequence.values()].sort((one, other) => sequenceOf(one) - sequenceOf(other))
}
