/** Just enough SVG (https://www.w3.org/TR/SVG11/) for a chart. */
type Attributes = Readonly<Record<string, string | number>>

/** One element, with text in it or empty. Numbers keep one decimal. */
export function element(name: string, attributes: Attributes, text?: string): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${plain(value)}"`)
  const open = `<${name}${list.join('')}`
  return text === undefined ? `${open}/>` : `${open}>${escape(text)}</${name}>`
}

/** A whole document with a white ground, so that it can be read on a dark page too. */
export function svg(width: number, height: number, parts: readonly string[]): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif">`
  const ground = element('rect', { width, height, fill: '#fff' })
  return [head, ground, ...parts, '</svg>', ''].join('\n')
}

const plain = (value: string | number): string =>
  typeof value === 'string' ? escape(value) : String(Math.round(value * 10) / 10)

const escape = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
