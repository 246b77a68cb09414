/** How long a host application may take to answer, in milliseconds. */
const MAX_MS = 5_000

/** What a host application answers; rejects where it takes too long. */
export async function withinTime<Answer>(answer: Answer | Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer came within ${MAX_MS} ms.`)), MAX_MS)
    timer.unref()
  })
  try {
    return await Promise.race([answer, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
