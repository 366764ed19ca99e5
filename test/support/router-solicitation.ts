/**
 * A shell command that asks, from inside a droplet, all routers of its public network to answer (RFC 4861, router
 * solicitation), and prints how many advertisements arrived within two seconds. Where the host advertises itself it is
 * 1 or more, however long ago the droplet booted. Asked from the droplet's own IPv6 address, since a droplet may not
 * send from a link-local one.
 */
export const solicitRouters = (ipv6: string): string => `python3 - <<'END'
import socket, time
def heard():
    with open("/proc/net/snmp6") as counts:
        return next(int(line.split()[1]) for line in counts if line.startswith("Icmp6InRouterAdvertisements"))
eth0 = socket.if_nametoindex("eth0")
asking = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
asking.bind(("${ipv6}", 0, 0, eth0))
before = heard()
asking.sendto(bytes([133, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, eth0))
time.sleep(2)
print(heard() - before)
END`;
