import { createClient } from 'carillon/client'
import { CarillonProvider } from 'carillon/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Chat } from './chat.tsx'
import './style.css'

const address = new URLSearchParams(location.search)
const name = address.get('name') ?? prompt('Your name?') ?? 'guest'

const client = createClient({
  url: address.get('server') ?? 'http://127.0.0.1:4000/graphql',
  connectionParams: { userId: name }, // in open mode; else a token says it
})

const root = document.getElementById('root')
if (root === null) throw new Error('The page has no place for the chat.')
createRoot(root).render(
  <StrictMode>
    <CarillonProvider client={client}>
      <Chat topic={address.get('topic') ?? 'chat:lobby'} name={name} />
    </CarillonProvider>
  </StrictMode>,
)
