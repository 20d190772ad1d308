/** The rules of /v1/imports and /v1/exports. */
import { exportIpvsadm } from './exchange/ipvsadm-export.js'
import { importIpvsadm } from './exchange/ipvsadm-import.js'
import { exportKeepalived } from './exchange/keepalived-export.js'
import { importKeepalived } from './exchange/keepalived-import.js'
import type { Imported } from './exchange/assembly.js'
import type { Configuration } from './exchange/exported.js'
import { presentOf } from './exchange/present.js'
import { fileNames } from './ipvsadm/names.js'
import type { DETAILS, Format } from './schemas/exchange.js'

export interface ImportRequest {
  format: Format
  report: (typeof DETAILS)[number]
  configId?: string | undefined
  manageAddress: boolean
}

export class ExchangeControl {
  readonly #configuration: () => Configuration

  constructor(configuration: () => Configuration) {
    this.#configuration = configuration
  }

  /** What a text would make; nothing is stored. */
  async read(text: string, request: ImportRequest): Promise<Imported & { format: Format }> {
    const { format, configId, manageAddress } = request
    const present = presentOf(this.#configuration().services)
    const imported =
      format === 'ipvsadm'
        ? // Whoever sends a text does not make this host ask name servers.
          await importIpvsadm(text, { present, manageAddress, names: fileNames() })
        : await importKeepalived(text, {
            ...{ present, manageAddress },
            ...(configId === undefined ? {} : { configId }),
          })
    return { format, ...imported, report: shown(imported.report, request.report) }
  }

  async export(format: Format) {
    const configuration = this.#configuration()
    const write = format === 'ipvsadm' ? exportIpvsadm : exportKeepalived
    return { format, ...(await write(configuration)) }
  }
}

function shown(report: Imported['report'], detail: ImportRequest['report']): Imported['report'] {
  if (detail === 'none') return []
  return detail === 'full' ? report : report.filter(({ action }) => action !== 'taken')
}
