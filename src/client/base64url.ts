/** The text of base64url, of which `atob` reads the older spelling; empty where it is none. */
export function decodeBase64url(text: string): string {
  try {
    return atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  } catch {
    return '' // a text of somebody else, which says nothing
  }
}
