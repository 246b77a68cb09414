const PRELOAD = new URL('prepared-pglite.mjs', import.meta.url).href

/** Arguments of a Node whose new embedded databases start from the files of `preparePglite`. */
export const PREPARED_NODE: readonly string[] = ['--import', PRELOAD]
