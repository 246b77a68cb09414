import { builder } from './builder.ts'
import { Message } from './message.ts'

builder.subscriptionFields((t) => ({
  messages: t.field({
    type: Message,
    description:
      'Messages as they are published. One value coerces to a list: messages(topics: "chat:1").',
    args: {
      topics: t.arg({ type: ['TopicName'], required: true, description: '1 to 100 topics.' }),
      from: t.arg.idList({ description: 'Only messages from these users.' }),
      types: t.arg.stringList({ description: 'Only messages of these types.' }),
      echo: t.arg.boolean({
        defaultValue: true,
        description: 'False: leave out what this same client published.',
      }),
    },
    subscribe: async (_root, args, { services, viewer, signal }) => {
      const subscription = await services.subscriptions.open(args, viewer)
      if (signal !== undefined) subscription.closeOn(signal)
      return subscription
    },
    resolve: (message) => message,
  }),
}))
