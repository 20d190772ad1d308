/** Addresses of the API, both ways to it, and what a person reads when there is nobody. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseApi, Unreachable } from '../../../cli/client/address.js'
import { RestCaller } from '../../../cli/ipvsadm/rest-caller.js'

t.test('addresses', async t => {
  t.strictSame(parseApi('http://127.0.0.1:7480'), {
    ...{ host: '127.0.0.1', port: 7480, tls: false },
  })
  t.strictSame(parseApi('http://lb.example.net:81/'), {
    ...{ host: 'lb.example.net', port: 81, tls: false },
  })
  t.strictSame(parseApi('http://[2001:db8::1]'), { host: '2001:db8::1', port: 80, tls: false })
  t.strictSame(parseApi('https://lb'), { host: 'lb', port: 443, tls: true })
  t.strictSame(parseApi('unix:/run/sluice.sock'), { socketPath: '/run/sluice.sock' })
  for (const [text, reason] of [
    ['', /not the address/],
    ['127.0.0.1:7480', /expected http/],
    ['ftp://127.0.0.1', /expected http/],
    ['http://127.0.0.1/v1', /more than a host/],
    ['http://me@127.0.0.1', /more than a host/],
    ['unix:run/sluice.sock', /absolute path/],
  ] as const) {
    t.throws(() => parseApi(text), { message: reason }, text)
  }
})

t.test('a request over TCP and over a unix socket', async t => {
  // Not in the test's own folder: a socket's path has 107 octets at most, wherever this clone is.
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'api.sock')
  const listening: [Server, () => string][] = [
    [echo().listen(path), () => `unix:${path}`],
    [echo().listen(0, '::1'), () => `http://[::1]:${portOf(listening[1]![0])}`],
  ]
  for (const [server, address] of listening) {
    t.teardown(() => server.close())
    if (!server.listening) await new Promise(resolve => server.once('listening', resolve))
    const client = new RestCaller(parseApi(address()))
    t.teardown(() => client.close())
    t.strictSame(await client.call('PATCH', '/v1/x?y=1', { ä: 1 }, { 'if-match': '"1"' }), {
      status: 201,
      body: {
        ...{ method: 'PATCH', url: '/v1/x?y=1', text: '{"ä":1}' },
        ...{ type: 'application/merge-patch+json', length: '8', ifMatch: '"1"' },
      },
    })
    t.match(await client.call('GET', '/'), { body: { method: 'GET', text: '', type: null } })
    t.strictSame(await client.call('DELETE', '/empty'), { status: 204, body: null })
    await t.rejects(client.call('GET', '/text'), /does not speak JSON/)
  }
})

t.test('nobody there', async t => {
  const path = join(t.testdir(), 'none.sock')
  const client = new RestCaller(parseApi(`unix:${path}`))
  const message = `cannot reach the API at unix:${path}: connect ENOENT ${path}`
  await t.rejects(client.call('GET', '/'), new Unreachable(message))
})

/** Answers with what it was asked. */
function echo(): Server {
  return createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => (text += part))
    request.on('end', () => {
      const { method, url, headers } = request
      if (url === '/empty') return response.writeHead(204).end()
      if (url === '/text') return response.end('<html>')
      const type = headers['content-type'] ?? null
      const asked = { method, url, text, type, length: headers['content-length'] ?? null }
      return response
        .writeHead(201)
        .end(JSON.stringify({ ...asked, ifMatch: headers['if-match'] ?? null }))
    })
  })
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port
