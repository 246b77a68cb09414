import { Interrupted, type StopSignal } from './failure.ts'

/** A reason for a command to end before its work is done. */
export interface Stop extends Disposable {
  /** Aborted with the reason. */
  readonly signal: AbortSignal
  now(reason: Error): void
}

/** Stops at Ctrl+C, or when told. The second Ctrl+C ends the process at once, because nobody listens to it any more. */
export function listenForStop(): Stop {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    stopListening()
    controller.abort(new Interrupted(name as StopSignal)) // as listened to
  }
  const stopListening = () => {
    for (const name of SIGNALS) process.off(name, onSignal)
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  return {
    signal: controller.signal,
    now: (reason) => controller.abort(reason),
    [Symbol.dispose]: stopListening,
  }
}

const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM']

/** Rejects with the reason, once there is one. */
export function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
