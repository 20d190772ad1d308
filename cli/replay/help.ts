/** Text below the generated part of `sluice replay --help`. */
export const REPLAY_HELP = `The configuration is JSON with the documents of the API, or a file that ipvsadm -S wrote:
  { "virtualServices": { "web": { "protocol": "tcp", "address": "198.51.100.10", "port": 80,
      "realServers": { "a": { "address": "10.0.0.1", "port": 8080 } } } },
    "markRules": { NAME: as for PUT /v1/mark-rules/NAME },
    "settings":  as for PUT /v1/settings,
    "network": {
      "interfaces": [{ "name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1500,
                       "addresses": ["192.0.2.1/24"] }],
      "routes": [{ "destination": "0.0.0.0/0", "via": "192.0.2.254" }],
      "neighbours": [{ "address": "192.0.2.254", "mac": "02:00:00:00:00:fe" }] } }
Only virtualServices is needed. Without network there is one interface, "in": every host is on its
link, virtual addresses are local, neighbours are learnt from the capture or made up.

Reads pcap and pcapng of Ethernet, raw IP and Linux cooked frames (tcpdump -i any). Timers run by
the capture's clock. Packets that this host sent itself are recognised by their source and left out.
No privileges are needed, and nothing is sent anywhere.

Examples:
  sluice replay --config sluice.json --in client.pcap --out sent.pcap
  sluice replay --config ipvsadm.rules --in client.pcapng -o json | jq 'select(.type=="packet")'
  tcpdump -i eth0 -s 0 -w - -c 100 | sluice replay --config sluice.json --in - --quiet

Exit status:
  0  the whole capture was replayed
  1  the capture cannot be read to its end or has cut packets, or --out cannot be written
  2  an option or the configuration is wrong; every fault is listed on standard error`
