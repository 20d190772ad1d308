/**
 * `ping-pong.js ADDRESS PORT OCTETS SECONDS`: one request after another over one TCP connection to an
 * echo server, with blocking system calls. The first tenth of the time warms up. Prints how long
 * answers took as JSON: `{ count, p50Us, p99Us, maxUs }`.
 */
import * as tcp from '../blocking-tcp.js'

const [address = '', port, octets, seconds] = process.argv.slice(2)
const request = new Uint8Array(Number(octets)).fill(0x61)
const answer = new Uint8Array(request.length)
const tookMs = new Float64Array(4 << 20)
let count = 0

const fd = tcp.connect(address, Number(port))
const begin = performance.now()
const end = begin + Number(seconds) * 1000
const warm = begin + Number(seconds) * 100
for (let now = begin; now < end && count < tookMs.length;) {
  tcp.send(fd, request, request.length)
  for (let got = 0; got < answer.length;) {
    const n = tcp.receive(fd, answer)
    if (n <= 0) throw new Error(`the connection ended after ${count} answers`)
    got += n
  }
  const then = performance.now()
  if (then > warm) tookMs[count++] = then - now
  now = then
}
tcp.close(fd)
const sorted = tookMs.subarray(0, count).sort()
const us = (share: number): number => (sorted[Math.floor((count - 1) * share)] ?? NaN) * 1000
const report = { count, p50Us: us(0.5), p99Us: us(0.99), maxUs: us(1) }
process.stdout.write(JSON.stringify(report))
