/**
 * What commands that talk to a server end with, besides 0.
 *
 * - `REFUSED`: a mistake, or the server said no; the same again would fail again.
 * - `AWAY`: there was no server, or no answer in time; the same again may succeed. EX_TEMPFAIL of sysexits.h.
 * - `UNREAD`: who read the output has gone; what a shell shows for SIGPIPE.
 */
export const EXIT = { REFUSED: 1, AWAY: 75, UNREAD: 141 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Why a command could not do its work: told in one line, without a stack trace. */
export class Failure extends Error {
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = EXIT.REFUSED, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

export type StopSignal = 'SIGINT' | 'SIGTERM'

/** A signal asked the command to end. It says nothing, and dies of the same signal once it has tidied up. */
export class Interrupted extends Error {
  readonly stopSignal: StopSignal

  constructor(stopSignal: StopSignal) {
    super(`Ended by ${stopSignal}.`)
    this.stopSignal = stopSignal
  }
}
