/** Text below the generated part of `sluice --help`. */

export const EXAMPLES = `Examples:
  sudo npx sluice serve                                   every Ethernet interface, API on 127.0.0.1:7480
  sudo npx sluice serve --interface eth0 --interface eth1 --database /var/lib/sluice/sluice.db
  sudo npx sluice serve --no-auth                         a lab: who reaches 127.0.0.1 may do all
  sudo npx sluice token create --scope write              a token for the API over TCP
  sudo npx sluice doctor -o json                          what the host lacks, for scripts

  npx sluice replay --config sluice.json --in client.pcap  what would become of this traffic, and why

  sudo npx sluice ipvsadm -Ln                             tables and commands as ipvsadm has them
  sudo npx sluice ipvsadm -A -t 198.51.100.10:80 -s wrr

  export SLUICE_TOKEN=$(sudo npx sluice token create --scope write)
  curl -X PUT localhost:7480/v1/virtual-services/web -H "authorization: Bearer $SLUICE_TOKEN" \\
    -H 'content-type: application/json' -d \\
    '{"protocol":"tcp","address":"198.51.100.10","port":80,
      "realServers":{"a":{"address":"10.0.0.1","port":8080}}}'`

export const EXIT_HELP = `Exit status:
  0  stopped as asked; or nothing stands in the way (doctor)
  1  failed while starting, running or stopping; the reason is on standard error
  2  an option, an environment variable or a value is wrong
  3  this host lacks something that Sluice cannot do without`
