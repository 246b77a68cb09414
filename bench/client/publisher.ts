export interface Publishing {
  readonly url: string
  readonly topic: string
  readonly perSecond: number
}

/** Messages of one request. */
const BATCH = 100

const PUBLISH = `mutation ($inputs: [PublishInput!]!) {
  publishMany(inputs: $inputs) { message { sequence } } }`

/** What a message of a chat weighs, in bytes. */
const TEXT = 'x'.repeat(200)

/** Publishes at an even pace until it is stopped. @throws in `stop`, where a publish was refused */
export function publishSteadily({ url, topic, perSecond }: Publishing): { stop(): Promise<void> } {
  const inputs = Array.from({ length: BATCH }, () => ({ topic, payload: { text: TEXT } }))
  const body = JSON.stringify({ query: PUBLISH, variables: { inputs } })
  const underWay = new Set<Promise<void>>()
  let refusal: Error | undefined
  async function publish(): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const answer = await (await fetch(url, { method: 'POST', headers, body })).text()
    if (answer.includes('"errors"')) refusal ??= new Error(answer)
  }
  const timer = setInterval(
    () => {
      const published = publish()
        .catch((error: Error) => {
          refusal ??= error
        })
        .finally(() => underWay.delete(published))
      underWay.add(published)
    },
    (1_000 * BATCH) / perSecond,
  )
  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
      if (refusal !== undefined) throw refusal
    },
  }
}
