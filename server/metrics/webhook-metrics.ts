/** How those are doing who are told of events. */
import type { Webhooks } from '../control/webhook-control.js'
import { DELIVERY_RESULTS } from '../webhooks/delivery-counts.js'
import { labelsText, type Exposition } from './exposition.js'

export const webhookMetrics =
  (webhooks: Webhooks) =>
  (out: Exposition): void => {
    const hooks = webhooks.list()
    const labels = (webhook: string, more = {}) => labelsText({ webhook, ...more })
    out.each(
      {
        ...{ name: 'sluice_webhook_deliveries', type: 'counter' },
        help: 'Attempts delivered and failed, and events dropped: given up, or gone before.',
      },
      hooks.flatMap(({ name }) =>
        DELIVERY_RESULTS.map(
          result => [labels(name, { result }), webhooks.counts.of(name)[result]] as const,
        ),
      ),
    )
    out.each(
      {
        ...{ name: 'sluice_webhook_queued_events', type: 'gauge' },
        help: 'Events of the journal that a webhook has not come to yet, wanted or not.',
      },
      hooks.map(hook => [labels(hook.name), webhooks.queued(hook)]),
    )
    out.each(
      {
        ...{ name: 'sluice_webhook_last_success_timestamp_seconds', type: 'gauge' },
        help: 'When something was last delivered, since 1970; absent while nothing was.',
      },
      hooks.flatMap(({ name, lastSuccessAt: at }) =>
        at === null ? [] : [[labels(name), Date.parse(at) / 1000] as const],
      ),
    )
  }
