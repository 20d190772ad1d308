"""The far end of every tunnel, in user space, for kernels without tunnel devices.

    tunnel-end.py DEVICE TUN GUE-PORT HOPS OWN-ADDRESSES FROM-ADDRESSES

Reads what comes in by DEVICE, reassembles the outer packets, checks every field of their headers,
and hands what was inside to the kernel through TUN, as if it had been decapsulated there. Written
from RFC 2003, 2473, 2784, 4213 and draft-ietf-intarea-gue, in another language than the sender.
HOPS routers stand between sender and here, which the outer packet alone has passed.
A virtual link hands over checksums that a device was to complete; this end does it then, as the
device would: it adds what lies behind to the sum of the pseudo-header that has to be there.

Prints "ready"; answers each line on standard input with a line of JSON about the time since the
last one: packets by kind, the largest outer packet, outer fragments, and everything found wrong.
"""
import fcntl
import ipaddress
import json
import os
import select
import socket
import struct
import sys

ETH_P_ALL = 3
PACKET_HOST = 0
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_CSUMNOTREADY = 263, 8, 8
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IPIP, TCP, UDP, IPV6, FRAGMENT, GRE = 4, 6, 17, 41, 44, 47
ETHERTYPES = {0x0800: 4, 0x86DD: 6}
FAULTS_MAX = 10
# Segments of one offload frame: 64 KiB in pieces of an MTU of 1280 at the least.
SEGMENTS_MAX = 64


class Fault(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise Fault(text)


def ones(data):
    """The Internet checksum's sum, RFC 1071: 0xffff over data that holds a right one."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo(src, dst, protocol, length):
    return src + dst + (struct.pack("!BBH", 0, protocol, length) if len(src) == 4
                        else struct.pack("!IHBB", length, 0, 0, protocol))


class Ip:
    """A packet, its header checked."""

    def __init__(self, packet, where):
        self.version = packet[0] >> 4
        expect(self.version in (4, 6), f"{where}: IP version {self.version}")
        if self.version == 4:
            expect(packet[0] & 15 == 5, f"{where}: options")
            self.tos, total, self.id, cut, self.hops, self.protocol = struct.unpack(
                "!xBHHHBB", packet[:10])
            expect(total == len(packet), f"{where}: length {total}, not {len(packet)}")
            expect(ones(packet[:20]) == 0xFFFF, f"{where}: header checksum")
            expect(cut & 0x8000 == 0, f"{where}: reserved flag")
            self.df, self.more, self.offset = bool(cut & 0x4000), bool(cut & 0x2000), (cut & 0x1FFF) * 8
            self.src, self.dst, self.payload = packet[12:16], packet[16:20], packet[20:]
            return
        word, length, self.protocol, self.hops = struct.unpack("!IHBB", packet[:8])
        self.tos, self.flow = word >> 20 & 0xFF, word & 0xFFFFF
        expect(length == len(packet) - 40, f"{where}: length {length}, not {len(packet) - 40}")
        self.src, self.dst, self.payload = packet[8:24], packet[24:40], packet[40:]
        self.df, self.more, self.offset, self.id = True, False, 0, None
        if self.protocol == FRAGMENT:
            self.protocol, cut, self.id = struct.unpack("!BxHI", self.payload[:8])
            self.df, self.more, self.offset = False, bool(cut & 1), cut & 0xFFF8
            self.payload = self.payload[8:]

    @property
    def is_fragment(self):
        return self.more or self.offset > 0


class TunnelEnd:
    def __init__(self, gue_port, hops, own, peers):
        self.gue_port, self.hops, self.own, self.peers = gue_port, hops, own, peers
        self.pieces = {}
        self.reset()

    def reset(self):
        self.kinds, self.faults, self.largest, self.fragments = {}, [], 0, 0

    def report(self):
        text = json.dumps({"kinds": self.kinds, "faults": self.faults,
                           "largest": self.largest, "fragments": self.fragments})
        self.reset()
        return text

    def take(self, packet, pending):
        """What is to be injected, or None. `pending`: its inner checksum was left to a device."""
        if packet[16:20] not in self.own and packet[24:40] not in self.own:
            return None
        try:
            outer = Ip(packet, "outer")
            if outer.protocol not in (IPIP, IPV6, GRE, UDP):
                return None
            whole = self.reassemble(outer) if outer.is_fragment else outer
            if outer.is_fragment:
                self.fragments += 1
            self.largest = max(self.largest, len(packet))
            return whole and self.decapsulate(whole, pending)
        except (Fault, struct.error) as fault:
            if len(self.faults) < FAULTS_MAX:
                self.faults.append(str(fault))
            return None

    def reassemble(self, outer):
        key = (outer.src, outer.dst, outer.protocol, outer.id)
        pieces = self.pieces.setdefault(key, {})
        expect(outer.offset not in pieces, "outer: a fragment twice")
        expect(not outer.more or len(outer.payload) % 8 == 0, "outer: a fragment's length")
        expect(outer.version == 6 or not outer.df, "outer: a fragment with DF")
        pieces[outer.offset] = outer
        payload = b""
        for offset in sorted(pieces):
            if offset != len(payload):
                return None
            payload += pieces[offset].payload
        if pieces[offset].more:
            return None
        del self.pieces[key]
        whole = pieces[0]
        whole.payload = payload
        return whole

    def decapsulate(self, outer, pending):
        expect(outer.src in self.peers, f"outer: source {ipaddress.ip_address(outer.src)}")
        body = outer.payload
        if outer.protocol in (IPIP, IPV6):
            kind, version, inside = "ip", 4 if outer.protocol == IPIP else 6, body
        elif outer.protocol == GRE:
            kind, version, inside = self.gre(body)
        else:
            kind, version, inside = self.gue(outer, body)
            if inside is None:
                return None
        inner = Ip(inside, "inner")
        expect(inner.version == version, f"inner: IP version {inner.version} announced as {version}")
        if pending:
            inside = self.complete(inner, inside)
            inner = Ip(inside, "inner")
        self.compare(outer, inner)
        kind = f"{kind} {inner.version}in{outer.version}"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        return inside

    def complete(self, inner, inside):
        expect(inner.protocol in (TCP, UDP) and not inner.is_fragment, "inner: nothing to complete")
        body = bytearray(inner.payload)
        at = 16 if inner.protocol == TCP else 6
        head = pseudo(inner.src, inner.dst, inner.protocol, len(body))
        expect(struct.unpack_from("!H", body, at)[0] == ones(head), "inner: pending checksum")
        struct.pack_into("!H", body, at, ~ones(bytes(body)) & 0xFFFF or 0xFFFF)
        return inside[:len(inside) - len(body)] + bytes(body)

    def gre(self, body):
        flags, ethertype = struct.unpack("!HH", body[:4])
        expect(flags in (0, 0x8000), f"gre: flags {flags:04x}")
        expect(ethertype in ETHERTYPES, f"gre: protocol {ethertype:04x}")
        if flags == 0:
            return "gre", ETHERTYPES[ethertype], body[4:]
        expect(ones(body) == 0xFFFF, "gre: checksum")
        expect(body[6:8] == b"\0\0", "gre: reserved octets")
        return "gre+checksum", ETHERTYPES[ethertype], body[8:]

    def gue(self, outer, body):
        source, dest, length, checksum = struct.unpack("!HHHH", body[:8])
        if dest != self.gue_port:
            return None, None, None
        expect(length == len(body), f"udp: length {length}, not {len(body)}")
        expect(source >= 32768, f"udp: source port {source}")
        if checksum:
            head = pseudo(outer.src, outer.dst, UDP, length)
            expect(ones(head + body) == 0xFFFF, "udp: checksum")
        control, protocol, flags = struct.unpack("!BBH", body[8:12])
        expect(control == 0 and flags == 0, f"gue: {control:02x} flags {flags:04x}")
        expect(protocol in (IPIP, IPV6), f"gue: protocol {protocol}")
        kind = "gue+checksum" if checksum else "gue"
        return kind, 4 if protocol == IPIP else 6, body[12:]

    def compare(self, outer, inner):
        expect(outer.hops + self.hops == inner.hops, f"hops {outer.hops} outside, {inner.hops} inside")
        ecn = 2 if inner.tos & 3 == 3 else inner.tos & 3
        expect(outer.tos == inner.tos & ~3 | ecn, f"tos {outer.tos} outside, {inner.tos} inside")
        if outer.version == 4:
            df = inner.version == 4 and inner.df
            expect(outer.df == df, f"DF {outer.df} outside, inside {inner.df}")
            # Nothing is to be identified (RFC 6864), so 0; where the kernel cuts an offload frame it
            # counts on from that for each segment.
            cut = inner.protocol == TCP and outer.protocol in (IPIP, IPV6)
            most = SEGMENTS_MAX if cut else 1
            expect(not outer.df or outer.id < most, f"id {outer.id} in spite of DF")
        else:
            expect(outer.flow == 0, f"flow label {outer.flow:05x}")
        if inner.is_fragment:
            return
        body = inner.payload
        if inner.protocol == TCP or inner.protocol == UDP and body[6:8] != b"\0\0":
            head = pseudo(inner.src, inner.dst, inner.protocol, len(body))
            expect(ones(head + body) == 0xFFFF, "inner: checksum")


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def main():
    device, tun_name, port, hops, own, peers = sys.argv[1:]
    packed = lambda text: {ipaddress.ip_address(each).packed for each in text.split(",")}
    end = TunnelEnd(int(port), int(hops), packed(own), packed(peers))
    tun = open_tun(tun_name)
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    link.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    link.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    link.bind((device, ETH_P_ALL))
    print("ready", flush=True)
    while True:
        for readable in select.select([link, sys.stdin], [], [])[0]:
            if readable is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(end.report(), flush=True)
                continue
            packet, notes, _, (_, ethertype, kind, _, _) = link.recvmsg(1 << 16, 64)
            status = next(struct.unpack("=I", data[:4])[0] for _, what, data in notes
                          if what == PACKET_AUXDATA)
            is_ours = kind == PACKET_HOST and ethertype in ETHERTYPES and len(packet) >= 20
            inside = end.take(packet, status & TP_STATUS_CSUMNOTREADY != 0) if is_ours else None
            if inside:
                os.write(tun, inside)


main()
