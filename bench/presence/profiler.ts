import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'

/** Profiles this process for a while, as `node --cpu-prof` does for its whole life. */
export class Profiler {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.start')
  }

  async stop(file: string): Promise<void> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    await writeFile(file, JSON.stringify(profile))
  }
}
