import type { CpuProfile, ProfileNode } from './cpu-profile.ts'

/** The time spent in functions with a name and in all that they call, in microseconds. */
export function inclusiveTime(
  profile: CpuProfile,
  times: ReadonlyMap<number, number>,
  matches: (node: ProfileNode) => boolean,
): number {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const children = new Set(profile.nodes.flatMap((node) => node.children ?? []))
  const sum = (node: ProfileNode, inside: boolean): number => {
    const counts = inside || matches(node)
    let micros = counts ? (times.get(node.id) ?? 0) : 0
    for (const id of node.children ?? []) {
      const child = byId.get(id)
      if (child !== undefined) micros += sum(child, counts)
    }
    return micros
  }
  return profile.nodes
    .filter(({ id }) => !children.has(id))
    .reduce((micros, root) => micros + sum(root, false), 0)
}

/** graphql-js parsing or validating a document. */
export function preparesDocument({ callFrame: { url, functionName } }: ProfileNode): boolean {
  return url.includes('/node_modules/graphql/') && /^(parse|validate)$/.test(functionName)
}
