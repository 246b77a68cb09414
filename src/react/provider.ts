import { createContext, createElement, type ReactElement, type ReactNode, useContext } from 'react'
import type { CarillonClient } from '../client/client.ts'

const Context = createContext<CarillonClient | undefined>(undefined)

export interface CarillonProviderProps {
  /** Whoever made it closes it: it outlives what is mounted here. */
  readonly client: CarillonClient
  readonly children?: ReactNode
}

/** Hands a client to the hooks inside. */
export function CarillonProvider({ client, children }: CarillonProviderProps): ReactElement {
  return createElement(Context.Provider, { value: client }, children)
}

/** The client of the nearest provider. */
export function useCarillon(): CarillonClient {
  const client = useContext(Context)
  if (client !== undefined) return client
  throw new Error('There is no client here: put a CarillonProvider around this component.')
}
