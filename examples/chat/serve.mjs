import { servePage } from '../serve-page.mjs'

servePage(new URL('./', import.meta.url), {
  port: 4002,
  invitation: 'in two windows, and take away the network of one.',
})
