/**
 * A real server's HTTP side: `http-server.js NAME PORT…`. Every answer carries `x-server: NAME`.
 *
 *     GET  /                  the name, one line
 *     GET  /bytes/OCTETS      that many octets, the same for everybody who asks (lab/payload.ts)
 *     GET  /repeat/OCTETS/N   those octets N times over
 *     GET  /held/OCTETS       half of them; the other half once "release" came on standard input
 *     POST /hash              the sha256 of what was sent
 *
 * Prints "ready" when it listens, "held" when it holds an answer back.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import { payload } from '../payload.js'

const [name, ...ports] = process.argv.slice(2)
const held = new Set<() => void>()
const made = new Map<number, Buffer>()

function answer(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('x-server', name!)
  // Who the server believes it talks to: NAT must leave the client's address alone.
  response.setHeader('x-client', request.socket.remoteAddress ?? '')
  const [, what = '', octets = '', times = '1'] = (request.url ?? '/').split('/')
  if (what === '') response.end(`${name}\n`)
  else if (what === 'bytes') response.end(bytes(Number(octets)))
  else if (what === 'repeat') repeat(bytes(Number(octets)), Number(times), response)
  else if (what === 'held') hold(bytes(Number(octets)), response)
  else if (what === 'hash') hash(request, response)
  else response.writeHead(404).end()
}

function bytes(octets: number): Buffer {
  const known = made.get(octets) ?? payload(`bytes/${octets}`, octets)
  made.set(octets, known)
  return known
}

function repeat(block: Buffer, times: number, response: ServerResponse): void {
  if (response.headersSent === false) response.setHeader('content-length', block.length * times)
  if (times === 0) response.end()
  else response.write(block, () => repeat(block, times - 1, response))
}

function hold(content: Buffer, response: ServerResponse): void {
  const half = content.length >>> 1
  response.setHeader('content-length', content.length)
  response.write(content.subarray(0, half), () => {
    held.add(() => response.end(content.subarray(half)))
    process.stdout.write('held\n')
  })
}

function hash(request: IncomingMessage, response: ServerResponse): void {
  const sum = createHash('sha256')
  request.on('data', (part: Buffer) => sum.update(part))
  request.on('end', () => response.end(sum.digest('hex')))
}

createInterface(process.stdin).on('line', line => {
  if (line !== 'release') return
  for (const finish of held) finish()
  held.clear()
})

let listening = 0
for (const port of ports) {
  createServer(answer).listen({ port: Number(port), host: '::', backlog: 4096 }, () => {
    if (++listening === ports.length) process.stdout.write('ready\n')
  })
}
