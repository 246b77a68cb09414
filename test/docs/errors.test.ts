import { expect, test } from 'vitest'
import { CLIENT_ERRORS } from '../../src/protocol/client-errors.ts'
import { CLOSE_CODES } from '../../src/protocol/close-codes.ts'
import { ERRORS } from '../../src/protocol/errors.ts'
import { cell, codeIn, readPage, table } from '../support/markdown.ts'

const page = readPage('docs/errors.md')

test('docs/errors.md has the catalogue of errors, no more and no less', () => {
  const documented = table(page, 'Code').map((row) => ({
    code: codeIn(cell(row, 'Code')).join(),
    retryable: cell(row, 'Retryable'),
    status: cell(row, 'HTTP status'),
    closeCode: cell(row, 'Close code'),
  }))
  const catalogue = Object.entries(ERRORS).map(([code, { retryable, status, closeCode }]) => ({
    code,
    retryable: retryable ? 'yes' : 'no',
    status: String(status),
    closeCode: String(closeCode),
  }))
  expect(documented).toEqual(catalogue)
})

test('docs/errors.md has the errors of the client, no more and no less', () => {
  const documented = table(page, 'Client code').map((row) => ({
    code: codeIn(cell(row, 'Client code')).join(),
    retryable: cell(row, 'Retryable').startsWith('yes'),
  }))
  const catalogue = Object.entries(CLIENT_ERRORS).map(([code, { retryable }]) => ({
    code,
    retryable,
  }))
  expect(documented).toEqual(catalogue)
})

test('docs/errors.md says of every error what it means and what to do', () => {
  const empty = table(page, 'Code').filter((row) => {
    return cell(row, 'Meaning') === '' || cell(row, 'What to do') === ''
  })
  expect(empty).toEqual([])
})

test('docs/errors.md has the close codes, no more and no less', () => {
  const documented = table(page, 'Close code').map((row) => Number(cell(row, 'Close code')))
  expect(documented).toEqual(Object.values(CLOSE_CODES))
})
