/** The text of base64url, of which `atob` reads the older spelling; undefined where it is none. */
export function decodeBase64url(text: string): string | undefined {
  try {
    return atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return undefined // a text of somebody else, which says nothing
  }
}
