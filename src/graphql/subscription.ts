import { builder } from './builder.ts'
import { carillon } from './extensions.ts'
import { Message } from './message.ts'
import { GapPolicy, subscriptionArgs } from './subscription-args.ts'
import { TopicEvent } from './topic-event.ts'

builder.subscriptionFields((t) => ({
  messages: t.field({
    type: Message,
    description:
      'Messages as they are published; with `after`, `last` or `consumer`, first those that were missed. One value coerces to a list: messages(topics: "chat:1").',
    extensions: carillon({ live: true, shared: true }),
    args: { ...subscriptionArgs(t), onGap: t.arg({ type: GapPolicy, defaultValue: 'FAIL' }) },
    subscribe: (_root, args, context) => context.operations.subscribe(args, context),
    resolve: (message) => message,
  }),
  events: t.field({
    type: TopicEvent,
    description:
      'As `messages`, and it also says when it has caught up, where messages are missing, and which snapshot to start from.',
    extensions: carillon({ live: true, shared: true }),
    args: {
      ...subscriptionArgs(t),
      snapshot: t.arg.boolean({
        defaultValue: false,
        description:
          'Start with the newest snapshot of each topic, then replay what came after it. A cursor, or what a consumer has acknowledged, comes before the snapshot where the messages behind it are kept.',
      }),
    },
    subscribe: (_root, args, context) => context.operations.subscribeToEvents(args, context),
    resolve: (event) => event,
  }),
}))
