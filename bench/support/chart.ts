import { largest } from './extremes.ts'

export interface Bar {
  readonly label: string
  readonly value: number
  /** Stands out of the others. */
  readonly own?: boolean
}

export interface Chart {
  readonly title: string
  readonly unit: string
  readonly bars: readonly Bar[]
}

const WIDTH = 760
const LEFT = 230
const RIGHT = 90
const TOP = 52
const ROW = 30
const THICKNESS = 18

/** Colours of their own for dark pages; the background stays the page's. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .unit { fill: #57606a; font-size: 12px }
  .bar { fill: #8c959f }
  .own { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .unit { fill: #9198a1 }
    .bar { fill: #6e7681 }
    .own { fill: #4493f8 }
  }
`

/** Horizontal bars with their values, as SVG. */
export function barChart({ title, unit, bars }: Chart): string {
  const height = TOP + bars.length * ROW + 8
  const longest = Math.max(largest(bars.map(({ value }) => value)), Number.MIN_VALUE)
  const scale = (WIDTH - LEFT - RIGHT) / longest
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="8" y="20">${escaped(title)}</text>`,
    `<text class="unit" x="8" y="39">${escaped(unit)}</text>`,
    ...bars.map((bar, row) => drawBar(bar, TOP + row * ROW, scale)),
    '</svg>\n',
  ].join('\n')
}

function drawBar({ label, value, own = false }: Bar, y: number, scale: number): string {
  const length = Math.max(1, value * scale)
  const baseline = y + 14
  return [
    `<text x="${LEFT - 10}" y="${baseline}" text-anchor="end">${escaped(label)}</text>`,
    `<rect class="${own ? 'own' : 'bar'}" x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${THICKNESS}" rx="2"/>`,
    `<text x="${(LEFT + length + 8).toFixed(1)}" y="${baseline}">${Number(value.toPrecision(3))}</text>`,
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
