/** What a promise rejects with; rejects where it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const missed = new Error('The promise has resolved.')
  try {
    await promise
  } catch (error) {
    return error
  }
  throw missed
}
