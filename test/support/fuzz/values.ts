import fc from 'fast-check'

/** Names that mean something to objects of JavaScript. */
const OF_OBJECTS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  '__defineGetter__',
  'toJSON',
  'then',
  'length',
] as const

/** What means something to a language or a protocol on the way. */
const OF_LANGUAGES = [
  "'; DROP TABLE messages; --",
  '"; DELETE FROM topics; --',
  "' OR '1'='1",
  '$1',
  '{1,2,"3"}',
  'NULL',
  "E'\\\\x00'",
  '\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n',
  '*1\r\n$8\r\nFLUSHALL\r\n',
  'KEYS[1]',
  '{user}',
  '{a}{b}',
  '%00',
  '%',
  '_',
  '\\',
  '\\\\',
  '\\u0000',
  '"',
  "'",
  '`',
  '<script>alert(1)</script>',
  '../../../etc/passwd',
  '\r\nSet-Cookie: a=b\r\n\r\n',
  '{"type":"complete","id":"1"}',
  '[object Object]',
  'undefined',
  'NaN',
  '-0',
  '1e999',
  '9007199254740993',
] as const

/** What is hard to keep as it is. */
const OF_UNICODE = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\u0001\u001f\u007f',
  '\u0085\u2028\u2029\ufeff',
  '\ud800',
  '\udc00',
  'a\ud83d',
  '🔔',
  '👩‍👩‍👧‍👦',
  'e\u0301\u0327',
  'é',
  '\u202egnirts',
  '\uffff\ufffe\ufffd',
  '𝒳'.repeat(64),
  'x'.repeat(128),
  'x'.repeat(129),
  'ß'.repeat(500),
] as const

/** Any text that a client may put anywhere. */
export const hostileText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...OF_OBJECTS) },
  { weight: 3, arbitrary: fc.constantFrom(...OF_LANGUAGES) },
  { weight: 3, arbitrary: fc.constantFrom(...OF_UNICODE) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 140 }) },
  {
    weight: 1,
    // Halves of surrogate pairs, and whatever else has 16 bits.
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 })
      .map((units) => String.fromCharCode(...units)),
  },
)

const hostileNumber = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-1, -0, 0, 1, 2 ** 31, 2 ** 53, 2 ** 53 - 1, -(2 ** 53), 1e308, 5e-324, 0.1),
)

/** Any JSON value, with keys as hostile as its texts. */
export const hostileJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    hostileNumber,
    hostileText,
    fc.array(tie('value'), { maxLength: 4 }),
    // Own properties, whatever they are called: as JSON.parse makes them.
    fc.array(fc.tuple(hostileText, tie('value')), { maxLength: 4 }).map(Object.fromEntries),
  ),
})).value

/** JSON that goes as deep as this. */
export function nested(depth: number, open = '[', close = ']'): string {
  return open.repeat(depth) + close.repeat(depth)
}

/** Mostly one that is right, sometimes one that is a little wrong, seldom anything. */
export function nearly<T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 6, arbitrary: right },
    { weight: 3, arbitrary: hostileText },
    { weight: 1, arbitrary: hostileJson },
  )
}
