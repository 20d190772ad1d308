// A client by a generator that the project does not use itself, from either document: it compiles
// under strict settings, and works against a running appliance.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { generateApi } from 'swagger-typescript-api'
import t from 'tap'
import ts from 'typescript'
import { openApi30File, openApiFile } from '../../server/openapi-file.js'
import { startAppliance, web } from '../server/fixtures/appliance.js'

/** What this test uses of a generated client. */
interface Generated {
  Api: new (config: { baseUrl: string }) => {
    v1: {
      putVirtualService(name: string, document: object): Promise<{ status: number; data: Service }>
      listVirtualServices(query: object): Promise<{ data: { items: Service[] } }>
    }
  }
}
interface Service {
  name: string
}

const OPTIONS: ts.CompilerOptions = {
  ...{ strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 },
  ...{ lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'], types: [] },
  moduleResolution: ts.ModuleResolutionKind.Bundler,
}

for (const [what, input] of [
  ['3.1', openApiFile],
  ['3.0', openApi30File],
] as const) {
  t.test(`a client from the ${what} document`, async t => {
    const folder = t.testdir({ 'package.json': '{"type":"module"}' })
    await generateApi({ input, output: folder, fileName: 'api.ts', silent: true })
    const program = ts.createProgram([join(folder, 'api.ts')], OPTIONS)
    const wrong = ts.getPreEmitDiagnostics(program)
    t.strictSame(wrong.map(textOf), [])
    program.emit()

    const a = await startAppliance()
    t.teardown(() => a.close())
    const baseUrl = await a.app.listen({ host: '127.0.0.1', port: 0 })
    t.teardown(() => a.app.server.closeAllConnections())
    const { Api } = (await import(pathToFileURL(join(folder, 'api.js')).href)) as Generated
    const { v1 } = new Api({ baseUrl })
    t.equal((await v1.putVirtualService('web', web)).status, 201)
    const { data } = await v1.listVirtualServices({ limit: 5 })
    t.strictSame(
      data.items.map(({ name }) => name),
      ['web'],
    )
  })
}

const textOf = ({ messageText, file, start = 0 }: ts.Diagnostic): string => {
  const line = file?.getLineAndCharacterOfPosition(start).line ?? 0
  return `${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
}
