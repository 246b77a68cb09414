import { GraphQLError } from 'graphql'

/**
 * An error without what GraphQL suggests: told to hide suggestions, it still says which selection was meant.
 * There is nothing but the message to know it by.
 */
export function withoutSuggestion(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean .*$/s, '')
  if (message === error.message) return error
  return new GraphQLError(message, { nodes: error.nodes ?? null })
}
