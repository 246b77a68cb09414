const PRELOAD = new URL('prepared-pglite.mjs', import.meta.url).href

/** Arguments of a Node whose new embedded databases start from the files of `preparePglite`. */
export const PREPARED_NODE: readonly string[] = ['--import', PRELOAD]

/** The same for a Node that others start. */
export function preparedEnvironment(): Record<string, string> {
  return {
    NODE_OPTIONS: PREPARED_NODE.join(' '),
    PREPARED_PGLITE: process.env.PREPARED_PGLITE ?? '',
  }
}

/**
 * Arguments of a Node that lives for seconds: to compile the WebAssembly of databases a second time, for
 * speed, costs it more than it brings.
 */
export const SHORT_LIVED_NODE: readonly string[] = ['--liftoff-only']
