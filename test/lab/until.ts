const POLL_MS = 50

/** Asks until the answer is right; returns how long that took. Throws after `deadlineMs`. */
export async function until(
  what: string,
  isRight: () => Promise<boolean>,
  deadlineMs = 20_000,
): Promise<number> {
  const began = performance.now()
  while (!(await isRight())) {
    if (performance.now() - began > deadlineMs)
      throw new Error(`${what} was awaited for ${deadlineMs / 1000} s in vain`)
    await pause(POLL_MS)
  }
  return performance.now() - began
}

export const pause = (ms: number): Promise<void> =>
  new Promise(resolve => void setTimeout(resolve, ms))
