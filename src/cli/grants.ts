import { ACTIONS, isAction } from '../access/action.ts'
import type { CapabilityGrant } from '../access/capabilities.ts'
import { UsageError } from './usage-error.ts'

/**
 * A capability as the command line says it: `chat:*=SUBSCRIBE,HISTORY`, `a,b=PUBLISH` or `*=*`.
 * @throws UsageError
 */
export function parseGrant(text: string): CapabilityGrant {
  const [topics = '', list, ...more] = text.split('=')
  const actions = list?.split(',') ?? []
  const isValid = topics !== '' && more.length === 0 && actions.length > 0
  if (isValid && actions.every(isActionOrAll)) return { topics: topics.split(','), actions }
  throw new UsageError(
    `--can takes topics and actions such as chat:*=SUBSCRIBE,HISTORY, with actions out of ${ACTIONS.join(', ')} and *, not ${JSON.stringify(text)}.`,
  )
}

/** Capabilities as they are said. */
export function formatGrants(grants: readonly CapabilityGrant[]): string {
  return grants
    .map(({ topics, actions }) => `${[topics].flat().join(',')}=${actions.join(',')}`)
    .join(' ')
}

function isActionOrAll(text: string): text is CapabilityGrant['actions'][number] {
  return text === '*' || isAction(text)
}
