/** Who is in which topics. */
export interface People {
  readonly topics: number
  readonly members: number
}

/** Some of them, by their numbers. */
export interface Range {
  readonly from: number
  /** Not any more. */
  readonly to: number
}

export function topicOf({ topics }: Pick<People, 'topics'>, number: number): string {
  return `room:${number % topics}`
}

export function topicsOf({ topics }: Pick<People, 'topics'>): readonly string[] {
  return Array.from({ length: topics }, (_, number) => topicOf({ topics }, number))
}

/** Each topic has people on both instances. */
export function instanceOf({ topics }: Pick<People, 'topics'>, number: number): number {
  return Math.floor(number / topics) % 2
}

export function userIdOf(number: number): string {
  return `user-${String(number).padStart(6, '0')}`
}

export function stateOf(number: number) {
  return { name: `Somebody with the number ${number}`, status: 'online' }
}
