import type { Viewer as ViewerValue } from '../access/viewer.ts'
import { builder } from './builder.ts'

const Viewer = builder.objectRef<ViewerValue>('Viewer')

Viewer.implement({
  description: 'Whom the server takes this client for.',
  fields: (t) => ({
    userId: t.exposeID('userId'),
    clientId: t.exposeID('clientId', { nullable: true }),
  }),
})

builder.queryFields((t) => ({
  viewer: t.field({
    type: Viewer,
    description: 'Whom the server takes this client for.',
    resolve: (_root, _args, { viewer }) => viewer,
  }),
}))
