/** Long work on the thread that answers requests lets others have their turn. */

const TURN_MS = 10

/** Resolves at once, or in the next turn of the loop when the present one has lasted long enough. */
export function pacer(now: () => number = () => performance.now()): () => Promise<void> {
  let since = now()
  return async () => {
    if (now() - since < TURN_MS) return
    await new Promise<void>(resolve => setImmediate(resolve))
    since = now()
  }
}
