import { useCallback, useMemo, useSyncExternalStore } from 'react'
import type { CarillonError } from '../client/error.ts'
import type { ConnectionState } from '../client/state.ts'
import { useCarillon } from './provider.ts'

export interface ConnectionInfo {
  readonly state: ConnectionState
  /** Why the last connection, or the last try, failed. Undefined while all is well, and after `close()`. */
  readonly reason: CarillonError | undefined
}

/** How the client stands to its server. Another object after each change. On a server it is `offline`. */
export function useConnection(): ConnectionInfo {
  const client = useCarillon()
  const subscribe = useCallback((changed: () => void) => client.onState(changed), [client])
  const state = useSyncExternalStore<ConnectionState>(
    subscribe,
    () => client.state,
    () => 'offline',
  )
  const reason = useSyncExternalStore(
    subscribe,
    () => client.reason,
    () => undefined,
  )
  return useMemo(() => ({ state, reason }), [state, reason])
}
