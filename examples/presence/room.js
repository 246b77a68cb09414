import { createClient } from 'graphql-ws'

/** How often a mouse that moves is told of, at most: 20 times a second. */
const CURSOR_PAUSE_MS = 50

/** Who types says so again and again, and is forgotten where nothing comes. */
const TYPING_PAUSE_MS = 2_000
const TYPING_FORGOTTEN_MS = 5_000

/** How long a tab has to be hidden: reloading hides it, too, for a moment. */
const AWAY_AFTER_MS = 3_000

const PRESENCE = `
  subscription ($topic: TopicPattern!, $enter: PresenceInput!) {
    presence(topics: [$topic], enter: $enter) { type members { userId clientIds state } }
  }`
const UPDATE_PRESENCE = `
  mutation ($topic: TopicName!, $state: JSON) {
    updatePresence(topic: $topic, state: $state) { userId }
  }`
const PUBLISH = `
  mutation ($input: PublishInput!) { publish(input: $input) { duplicate } }`

/** At most what ten people send who move at once. */
const CURSORS = `
  subscription ($topic: TopicPattern!) {
    messages(topics: [$topic], types: ["cursor"], echo: false, maxPerSecond: 200) {
      from
      clientId
      payload
    }
  }`

/** Apart from the cursors, so that none of it is left out where those are too many. */
const TALK = `
  subscription ($topic: TopicPattern!) {
    messages(topics: [$topic], types: ["typing", "said"], last: 20) { id type from payload }
  }`

const query = new URLSearchParams(location.search)
const topic = `room:${query.get('room') ?? 'lobby'}`
const ownName = (query.get('name') ?? '').trim()

const stage = document.getElementById('stage')
const memberList = document.getElementById('members')
const saidList = document.getElementById('said')
const words = document.getElementById('words')
const entrance = document.getElementById('entrance')
const status = document.getElementById('status')
const problem = document.getElementById('problem')

/** Whoever is here, with their element, by user id. */
const present = new Map()

/** The elements of other people's cursors, by client id: somebody may have two windows. */
const cursors = new Map()

/** What others see of this client. Entered again after a lost connection, as it stands then. */
const self = { state: { isAway: false } }

let client
let isConnected = false

if (ownName === '') askForName()
else enter()

function askForName() {
  entrance.showModal()
  entrance.addEventListener('close', () => {
    query.set('name', document.getElementById('name').value)
    location.search = query
  })
}

function enter() {
  client = createClient({
    url: query.get('server') ?? 'ws://127.0.0.1:4000/graphql',
    connectionParams: { userId: ownName, clientId: keepClientId() },
    retryAttempts: Number.POSITIVE_INFINITY,
    // A server that is away is an error for a browser, which would end everything.
    shouldRetry: () => true,
    // Back soon, since others see us for 5 more seconds only; but not all of us at once.
    retryWait: (retries) => pause(Math.min(200 * 2 ** retries, 3_000) * (0.5 + Math.random() / 2)),
    on: { connected: () => showConnection(true), closed: () => showConnection(false) },
  })
  listen(PRESENCE, { topic, enter: self }, ({ presence }) => showPresence(presence))
  listen(CURSORS, { topic }, ({ messages }) => showCursor(messages))
  listen(TALK, { topic }, ({ messages }) => showTalk(messages))
  sendCursor()
  sendTalk()
  sendAway()
}

/** Stays with the tab when it is reloaded. A tab that is duplicated meanwhile is another client. */
function keepClientId() {
  const clientId = sessionStorage.getItem('clientId') ?? crypto.randomUUID()
  addEventListener('pageshow', () => sessionStorage.removeItem('clientId'))
  addEventListener('pagehide', () => sessionStorage.setItem('clientId', clientId))
  return clientId
}

function listen(query, variables, onData) {
  client.subscribe(
    { query, variables },
    {
      next: ({ data, errors }) => (errors === undefined ? onData(data) : showFault(errors)),
      error: showFault,
      complete: () => {},
    },
  )
}

/** A query or mutation whose answer says nothing new. */
function send(query, variables) {
  listen(query, variables, () => {})
}

/** What is worth something only now: none of it waits for a connection. */
function publishEphemeral(type, payload) {
  if (isConnected) send(PUBLISH, { input: { topic, type, payload, ephemeral: true } })
}

function sendCursor() {
  const publish = throttled(CURSOR_PAUSE_MS, (payload) => publishEphemeral('cursor', payload))
  stage.addEventListener('pointermove', ({ clientX, clientY }) => {
    const { left, top, width, height } = stage.getBoundingClientRect()
    publish({ x: (clientX - left) / width, y: (clientY - top) / height })
  })
  stage.addEventListener('pointerleave', () => publish({ isGone: true }))
}

function sendTalk() {
  const publishTyping = throttled(TYPING_PAUSE_MS, () =>
    publishEphemeral('typing', { isTyping: words.value !== '' }),
  )
  words.addEventListener('input', publishTyping)
  document.getElementById('talk').addEventListener('submit', (event) => {
    event.preventDefault()
    const text = words.value.trim()
    words.value = ''
    if (text === '') return
    // With a key: what was not answered when the connection broke is sent again.
    const idempotencyKey = crypto.randomUUID()
    send(PUBLISH, { input: { topic, type: 'said', payload: { text }, idempotencyKey } })
  })
}

function sendAway() {
  let timer
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer)
    timer = setTimeout(say, document.hidden ? AWAY_AFTER_MS : 0)
  })
  const say = () => {
    if (self.state.isAway === document.hidden) return
    self.state = { isAway: document.hidden }
    if (isConnected) send(UPDATE_PRESENCE, { topic, state: self.state })
  }
}

function showPresence({ type, members }) {
  if (type === 'SYNC') {
    const userIds = new Set(members.map(({ userId }) => userId))
    for (const userId of present.keys()) if (!userIds.has(userId)) removeMember(userId)
  }
  for (const member of members) {
    if (type === 'LEAVE') removeMember(member.userId)
    else putMember(member)
  }
  for (const [clientId, { userId, element }] of cursors) {
    if (present.get(userId)?.clientIds.includes(clientId)) continue
    element.remove()
    cursors.delete(clientId)
  }
}

function putMember({ userId, clientIds, state }) {
  const known = present.get(userId) ?? { element: addElement('member', memberList, userId) }
  const member = Object.assign(known, { clientIds, isAway: state?.isAway === true })
  present.set(userId, member)
  describe(member)
}

function removeMember(userId) {
  present.get(userId)?.element.remove()
  present.delete(userId)
}

function describe({ element, isAway, isTyping }) {
  element.classList.toggle('away', isAway)
  element.classList.toggle('typing', isTyping === true)
  element.querySelector('.doing').textContent = isTyping ? 'typing…' : isAway ? 'away' : ''
}

/** Payloads are whatever somebody has published. */
function showCursor({ from, clientId, payload }) {
  if (!present.get(from)?.clientIds.includes(clientId)) return
  const cursor = cursors.get(clientId) ?? {
    userId: from,
    element: addElement('cursor', stage, from),
  }
  cursors.set(clientId, cursor)
  cursor.element.hidden = payload?.isGone === true
  if (cursor.element.hidden) return
  cursor.element.style.setProperty('--x', Number(payload?.x))
  cursor.element.style.setProperty('--y', Number(payload?.y))
}

function showTalk({ id, type, from, payload }) {
  showTyping(present.get(from), type === 'typing' && payload?.isTyping === true)
  if (type !== 'said' || document.getElementById(id) !== null) return // it may come again
  const element = addElement('words-said', saidList, from)
  element.id = id
  element.querySelector('.text').textContent = String(payload?.text)
  element.scrollIntoView({ block: 'nearest' })
}

function showTyping(member, isTyping) {
  if (member === undefined) return
  clearTimeout(member.timer)
  if (isTyping) member.timer = setTimeout(() => showTyping(member, false), TYPING_FORGOTTEN_MS)
  describe(Object.assign(member, { isTyping }))
}

function showConnection(connected) {
  isConnected = connected
  document.body.classList.toggle('offline', !connected)
  status.textContent = connected ? `You are ${ownName}, in ${topic}.` : 'Not connected.'
  if (connected) problem.textContent = ''
}

/** @param fault the errors of a result, or the event of a socket that the server has closed */
function showFault(fault) {
  problem.textContent = Array.isArray(fault) ? fault[0].message : fault.reason
}

/** A copy of a template that bears the name and the hue of a user. */
function addElement(template, parent, userId) {
  const element = document.getElementById(template).content.firstElementChild.cloneNode(true)
  element.dataset.user = userId
  element.style.setProperty('--hue', hueOf(userId))
  element.querySelector('.name').textContent = userId
  return parent.appendChild(element)
}

function hueOf(userId) {
  return [...userId].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 360, 7)
}

/** Calls `use` at once, and then with the newest value at most once in every pause. */
function throttled(pauseMs, use) {
  let newest
  let isPausing = false
  const flush = async () => {
    isPausing = true
    while (newest !== undefined) {
      const { value } = newest
      newest = undefined
      use(value)
      await pause(pauseMs)
    }
    isPausing = false
  }
  return (value) => {
    newest = { value }
    if (!isPausing) flush()
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
