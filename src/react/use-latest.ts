import { type RefObject, useEffect, useRef } from 'react'

/** What a component brought last, for callbacks that are called later: a new one is no reason to begin anew. */
export function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value)
  useEffect(() => {
    latest.current = value
  })
  return latest
}
