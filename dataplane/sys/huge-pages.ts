import koffi from 'koffi'

const MADV_HUGEPAGE = 14
/** What transparent huge pages are made of; madvise itself wants multiples of the small one. */
const PAGE = 4096

const libc = koffi.load('libc.so.6')
const madvise = libc.func('int madvise(uintptr_t, size_t, int)') as (
  address: number,
  octets: number,
  advice: number,
) => number

/**
 * Asks for huge pages under memory that is read at random (madvise(2)): a miss of the translation
 * caches costs as much as one of the data caches. Only advice: without it all works the same.
 */
export function advise(memory: Int32Array): void {
  const from = Number(koffi.address(memory))
  const first = Math.ceil(from / PAGE) * PAGE
  const octets = Math.floor((from + memory.byteLength - first) / PAGE) * PAGE
  if (octets > 0) madvise(first, octets, MADV_HUGEPAGE)
}
