import { useConnection, useMessages, usePresence, usePublish } from 'carillon/react'
import { useState } from 'react'

/** What is said. Anybody may publish anything here, so that it may have another form, too. */
interface Said {
  readonly text: string
}

export function Chat({ topic, name }: { readonly topic: string; readonly name: string }) {
  const [text, setText] = useState('')
  const { send } = usePublish<Said>(topic)
  return (
    <>
      <Connection name={name} />
      <Members topic={topic} isTyping={text !== ''} />
      <Messages topic={topic} name={name} />
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (text !== '') send({ text }, { timeout: 60_000 })
          setText('')
        }}
      >
        <input
          aria-label="Message"
          placeholder="Message"
          maxLength={500}
          autoComplete="off"
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
      </form>
    </>
  )
}

function Connection({ name }: { readonly name: string }) {
  const { state } = useConnection()
  return (
    <p id="state" role="status" className={state}>
      {name}: {state}
    </p>
  )
}

function Members({ topic, isTyping }: { readonly topic: string; readonly isTyping: boolean }) {
  const { members } = usePresence<{ readonly isTyping: boolean }>(topic, { isTyping })
  return (
    <ul id="members" aria-label="Who is here">
      {members.map(({ userId, state }) => (
        <li key={userId}>
          {userId}
          {state?.isTyping === true && <i> types …</i>}
        </li>
      ))}
    </ul>
  )
}

/** History, what comes live, and what is on its way, as one list. */
function Messages({ topic, name }: { readonly topic: string; readonly name: string }) {
  const { messages, outgoing, hasEarlier, isLoadingEarlier, loadEarlier } =
    useMessages<Partial<Said> | null>(topic, { history: 50, keep: 500 })
  return (
    <main>
      <ol id="messages" aria-label="Messages" aria-live="polite">
        {messages.map(({ id, from, payload }) => (
          <li key={id}>
            <b>{from}:</b> {payload?.text}
          </li>
        ))}
        {outgoing.map(({ key, payload, status, retry }) => (
          <li key={key} className={status}>
            <b>{name}:</b> {payload?.text}
            {status === 'failed' && (
              <button type="button" onClick={retry}>
                Try again
              </button>
            )}
          </li>
        ))}
      </ol>
      {hasEarlier && (
        <button type="button" disabled={isLoadingEarlier} onClick={() => void loadEarlier()}>
          Earlier
        </button>
      )}
    </main>
  )
}
