/** Which of several forms of an answer the client prefers (RFC 9110 section 12.5.1). */

/**
 * The one of `offered` that the Accept header ranks highest; the first when it has no opinion, or
 * wants something else altogether, which RFC 9110 allows to disregard.
 */
export function preferred<T extends string>(
  accept: string | undefined,
  offered: readonly [T, ...T[]],
): T {
  let best = offered[0]
  let bestRank = 0
  const ranges = (accept ?? '').split(',').map(readRange)
  for (const type of offered) {
    const rank = rankOf(type, ranges)
    if (rank > bestRank) {
      best = type
      bestRank = rank
    }
  }
  return best
}

interface Range {
  type: string
  parameters: readonly string[]
  quality: number
}

function readRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map(part => part.trim().toLowerCase())
  const quality = parameters.find(part => part.startsWith('q='))
  const value = quality === undefined ? 1 : Number(quality.slice(2))
  return { type, parameters, quality: value >= 0 && value <= 1 ? value : 0 }
}

/**
 * The most specific range that fits decides. Of parameters the version alone tells forms apart: one
 * that is offered has to be the one that is asked for, if any is.
 */
function rankOf(offered: string, ranges: readonly Range[]): number {
  const [type = '', ...parameters] = offered.split(';').map(part => part.trim())
  const versions = ranges.filter(range => range.type === type && range.parameters.some(isVersion))
  const same = versions.find(range => range.parameters.some(each => parameters.includes(each)))
  if (same !== undefined) return same.quality
  const plain = ranges.filter(range => !versions.includes(range))
  const wide = `${type.split('/')[0]}/*`
  for (const fits of [type, wide, '*/*']) {
    const found = plain.find(range => range.type === fits)
    if (found !== undefined) return found.quality
  }
  return 0
}

const isVersion = (parameter: string): boolean => parameter.startsWith('version=')
