import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { type PresenceState, PresenceStore } from './presence-store.ts'
import { useCarillon } from './provider.ts'

/**
 * Who is in a topic. With a `state`, any JSON value of at most 4 KiB, this client is there itself for as long as the component is
 * mounted, and what the state is when it is rendered again is said; `null` for being there with nothing to say. Without one, it only watches.
 */
export function usePresence<State = unknown>(topic: string, state?: State): PresenceState<State> {
  const client = useCarillon()
  const said = state === undefined ? undefined : JSON.stringify(state)
  const isThere = said !== undefined
  const store = useMemo(() => new PresenceStore(client, topic, isThere), [client, topic, isThere])
  useEffect(() => {
    if (said !== undefined) store.say(said) // before it enters, where it is about to
  }, [store, said])
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getServerSnapshot)
  return snapshot as PresenceState<State> // as the caller says
}
