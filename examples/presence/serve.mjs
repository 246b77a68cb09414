import { servePage } from '../serve-page.mjs'

servePage(new URL('./', import.meta.url), {
  port: 4001,
  invitation: 'in two windows, side by side.',
})
