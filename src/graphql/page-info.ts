import type { Cursor } from '../core/cursor.ts'
import { builder } from './builder.ts'

export interface PageInfoValue {
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  readonly startCursor: Cursor | undefined
  readonly endCursor: Cursor | undefined
}

export const PageInfo = builder.objectRef<PageInfoValue>('PageInfo')

PageInfo.implement({
  description: 'Where a page stands: https://relay.dev/graphql/connections.htm',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage'),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage'),
    startCursor: t.expose('startCursor', { type: 'Cursor', nullable: true }),
    endCursor: t.expose('endCursor', { type: 'Cursor', nullable: true }),
  }),
})
