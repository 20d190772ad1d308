"""Long TCP connections that tell how they end.

    tcp-peer.py listen PORT               accepts; a peer whose first line is `stream` is sent octets, `tick` a few
    tcp-peer.py connect ADDRESS PORT MODE `idle` says nothing more, others take what they are sent

Prints `ready`, then for each connection `open`, and `reset`, `closed` or the name of what else ended it.
"""
import socket
import sys
import threading
import time


def say(line):
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


def until_it_ends(work):
    try:
        work()
        say('closed')
    except ConnectionResetError:
        say('reset')
    except OSError as error:
        say(type(error).__name__)


def take(connection):
    while connection.recv(1 << 16):
        pass


def serve(connection):
    mode = connection.makefile('rb', buffering=0).readline().strip()
    say('open')

    def stream():
        while True:
            connection.sendall(bytes(1 << 16))

    def tick():
        while True:
            connection.sendall(bytes(1))
            time.sleep(0.05)

    work = {b'stream': stream, b'tick': tick}.get(mode, lambda: take(connection))
    until_it_ends(work)


def listen(port):
    server = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    say('ready')
    while True:
        # No name here would be let go of with the thread, which then closes it.
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def connect(address, port, mode):
    connection = socket.create_connection((address, port), timeout=10)
    connection.settimeout(None)
    connection.sendall(mode.encode() + b'\n')
    say('open')
    until_it_ends(lambda: take(connection))


if sys.argv[1] == 'listen':
    listen(int(sys.argv[2]))
else:
    connect(sys.argv[2], int(sys.argv[3]), sys.argv[4])
