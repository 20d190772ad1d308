/** What `-h` and `-v` print. */
export const VERSION = 'ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n'

export const HELP = `${VERSION}Usage: ipvsadm COMMAND [OPTIONS]

Services
  -A, --add-service SERVICE [-s SCHEDULER] [-b FLAGS] [-p [SECONDS]] [-M MASK] [--pe ENGINE] [-o]
  -E, --edit-service SERVICE ...     as -A; what is not given goes back to its default
  -D, --delete-service SERVICE
  -C, --clear                        delete all services

Real servers
  -a, --add-server SERVICE -r SERVER [-g|-i|-m] [-w WEIGHT] [-x UPPER] [-y LOWER] [TUNNEL]
  -e, --edit-server SERVICE -r SERVER ...
  -d, --delete-server SERVICE -r SERVER

Looking and saving
  -L, -l, --list [SERVICE | -c | --timeout | --daemon]
      [-n] [--stats | --rate | --thresholds | --persistent-conn | --tun-info] [--exact] [--nosort]
  -Z, --zero [SERVICE]               set counters to zero
  -S, --save [-n]                    print the table as commands
  -R, --restore                      read commands from standard input
  --set TCP TCPFIN UDP               timeouts in seconds, 0 keeps one

Synchronisation
  --start-daemon master|backup [--mcast-interface IF] [--syncid ID] [--sync-maxlen OCTETS]
      [--mcast-group ADDRESS] [--mcast-port PORT] [--mcast-ttl TTL]
  --stop-daemon master|backup [--syncid ID]

  -h, --help                         this text
  -v, --version

SERVICE is one of
  -t, --tcp-service HOST:PORT        -u, --udp-service HOST:PORT
      --sctp-service HOST:PORT       -f, --fwmark-service MARK [-6]
An IPv6 address stands in brackets: [2001:db8::1]:80. Port 0 means every port and needs -p.

SCHEDULER is rr, wrr, lc, wlc (default), lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf or twos.
FLAGS are sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3, with commas between.
  -g, --gatewaying    direct routing (default)
  -m, --masquerading  address translation
  -i, --ipip          tunnel: --tun-type ipip|gue|gre, --tun-port PORT (gue),
                      --tun-nocsum, --tun-csum, --tun-remcsum (gue)
  -p, --persistent    default 360 seconds; -M, --netmask: which part of a client's address counts
  -o, --ops           schedule every datagram by itself (UDP)
`
