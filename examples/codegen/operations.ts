import { graphql } from './generated'

/** What a list of messages shows: history and live messages select the same. */
export const SHOWN = graphql(`
  fragment Shown on Message {
    id
    topic
    sequence
    cursor
    from
    type
    payload
    publishedAt
  }
`)

export const HISTORY = graphql(`
  query History($topic: TopicName!, $last: Int, $before: Cursor) {
    messages(topic: $topic, last: $last, before: $before) {
      nodes {
        ...Shown
      }
      pageInfo {
        startCursor
        endCursor
        hasPreviousPage
        hasNextPage
      }
    }
  }
`)

export const LIVE = graphql(`
  subscription Live($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int) {
    messages(topics: $topics, after: $after, last: $last) {
      ...Shown
    }
  }
`)

export const PUBLISH = graphql(`
  mutation Publish($input: PublishInput!) {
    publish(input: $input) {
      message {
        ...Shown
      }
      duplicate
    }
  }
`)
