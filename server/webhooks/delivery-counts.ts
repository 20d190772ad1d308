/** What became of deliveries since the start, by webhook: for /metrics. Tests are not counted. */

export const DELIVERY_RESULTS = ['delivered', 'failed', 'dropped'] as const
/** `failed`: an attempt; `dropped`: an event that is not tried again, or was gone before. */
export type DeliveryResult = (typeof DELIVERY_RESULTS)[number]

const NONE: Readonly<Record<DeliveryResult, number>> = { delivered: 0, failed: 0, dropped: 0 }

export class DeliveryCounts {
  readonly #counts = new Map<string, Record<DeliveryResult, number>>()

  note(webhook: string, result: DeliveryResult): void {
    const counts = this.#counts.get(webhook) ?? { ...NONE }
    counts[result]++
    this.#counts.set(webhook, counts)
  }

  of(webhook: string): Readonly<Record<DeliveryResult, number>> {
    return this.#counts.get(webhook) ?? NONE
  }

  /** A webhook that is made under the same name begins anew. */
  forget(webhook: string): void {
    this.#counts.delete(webhook)
  }
}
