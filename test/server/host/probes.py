"""Sends crafted packets in network namespaces and prints every packet that comes in.

Standard input: {"sockets": {name: {"namespace", "interface", "gateway"}},
                 "probes": [{"from": name, "packet": scapy expression}], "until": [regular expression]}
Standard output: one line for each packet received, in order, until every expression of `until`
has matched one; a line "timeout" when that does not happen. Packets are compared by tests, so the lines are plain.
"""
import ctypes, json, os, re, select, socket, sys, time
import logging
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import *  # noqa: the expressions of the tests use all of it

ETH_P_ALL = 3
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def open_socket(where):
    fd = os.open(f"/run/netns/{where['namespace']}", os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)
    if where.get("raw"):
        return RawSender()
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
    sock.bind((where["interface"], ETH_P_ALL))
    return sock


class RawSender:
    """Gives packets to the namespace's own stack, as a program on that host does."""

    def __init__(self):
        self.v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, frame):
        p = Ether(frame).payload
        (self.v4 if IP in p else self.v6).sendto(bytes(p), (p.dst, 0))


def layer4(p):
    if TCP in p:
        return f"tcp {p[TCP].sport}>{p[TCP].dport} {p[TCP].flags}"
    if UDP in p:
        return f"udp {p[UDP].sport}>{p[UDP].dport}"
    return None


def describe(frame):
    p = Ether(frame)
    if IP in p:
        head = f"{p[IP].src} > {p[IP].dst} "
        if p[IP].frag > 0:
            return f"{head}later fragment"
        if ICMP in p:
            return f"{head}icmp {p[ICMP].type}/{p[ICMP].code}" + quoted(p, IPerror, TCPerror, UDPerror)
    elif IPv6 in p:
        head = f"{p[IPv6].src} > {p[IPv6].dst} "
        if IPv6ExtHdrFragment in p and p[IPv6ExtHdrFragment].offset > 0:
            return f"{head}later fragment"
        for kind in (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, ICMPv6EchoReply):
            if kind in p:
                return f"{head}icmpv6 {p[kind].type}/{p[kind].code}" + quoted(
                    p, IPerror6, TCPerror, UDPerror
                )
    else:
        return None
    text = layer4(p)
    return None if text is None else head + text


def quoted(p, ip, tcp, udp):
    for kind in (tcp, udp):
        if kind in p:
            return f" about {p[ip].src}:{p[kind].sport} > {p[ip].dst}:{p[kind].dport}"
    return ""


def main():
    job = json.load(sys.stdin)
    senders = {name: open_socket(where) for name, where in job["sockets"].items()}
    sockets = {name: each for name, each in senders.items() if not isinstance(each, RawSender)}
    for probe in job["probes"]:
        where = job["sockets"][probe["from"]]
        built = eval(probe["packet"])
        for packet in built if isinstance(built, list) else [built]:
            senders[probe["from"]].send(bytes(Ether(dst=where["gateway"]) / packet))
    deadline = time.monotonic() + 5
    awaited = list(job["until"])
    while True:
        ready, _, _ = select.select(sockets.values(), [], [], max(0, deadline - time.monotonic()))
        if not ready:
            print("timeout")
            return
        for name, sock in sockets.items():
            if sock not in ready:
                continue
            text = describe(sock.recv(65536))
            if text is None:
                continue
            print(name, text)
            awaited = [each for each in awaited if not re.search(each, f"{name} {text}")]
            if not awaited:
                return


main()
