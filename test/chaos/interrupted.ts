/** Aborts at Ctrl+C, so that what was started is ended; a second one ends the process at once. */
export function interrupted(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new Error(`Ended by ${name}.`)))
  }
  return controller.signal
}
