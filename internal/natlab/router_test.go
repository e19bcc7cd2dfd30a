//go:build natlab && linux

package natlab

import (
	"fmt"
	"net/netip"
	"strings"
)

// kind is what stands between a client and the internet.
type kind string

// In the terms of RFC 4787: EIM maps an inside address to one outside for all
// destinations, ADM to one for each address, APDM for each address and port; the
// filters EIF, ADF and APDF let in accordingly.
const (
	open        kind = "open"         // nothing
	firewall    kind = "fw"           // no translation; in comes what answers
	fullCone    kind = "fullcone"     // EIM, EIF
	addrCone    kind = "addr"         // EIM, ADF
	portCone    kind = "port"         // EIM, APDF
	linux       kind = "linux"        // masquerade: EIM as long as no port collides, APDF
	linuxAccept kind = "linux-accept" // and does not drop what is for the router itself, which costs a port
	linuxReject kind = "linux-reject" // and answers it by ICMP
	symAddr     kind = "symaddr"      // ADM, APDF
	symSeq      kind = "symseq"       // APDM with ports that count up, APDF
	symRandom   kind = "sym"          // APDM with random ports, APDF
	udpBlocked  kind = "udpblock"     // masquerade for TCP, and no UDP
)

// ports is how many ports the symmetric kinds that do not draw them go through.
const ports = 512

// rules are a router's, for nft. The kernel's own entries are one for each flow,
// which filters as APDF; the sets make the rest: eim has the outside port of an
// inside address, back the reverse, adf whom an outside port has sent to. They
// are filled behind the translation.
func rules(k kind, outside netip.Addr, basePort int, hairpin bool) string {
	const udpOut = "oifname wan meta l4proto udp "
	var pre, post, learn, forward string
	input := "drop"
	switch k {
	case fullCone, addrCone, portCone:
		post = fmt.Sprintf(udpOut+"snat ip to %v : ip saddr . udp sport map @eim", outside)
		learn = udpOut + "ct direction original update @eim { ct original ip saddr . ct original proto-src : udp sport }\n" +
			udpOut + "ct direction original update @back { udp sport : ct original ip saddr . ct original proto-src }\n" +
			udpOut + "update @adf { ip daddr . udp sport }"
	case linuxAccept:
		input = "accept"
	case linuxReject:
		input = "reject with icmp port-unreachable"
	case symAddr:
		post = fmt.Sprintf(udpOut+"snat ip to %v : jhash ip saddr . udp sport . ip daddr mod %d map %s", outside, ports, portMap(basePort))
	case symSeq:
		post = fmt.Sprintf(udpOut+"snat ip to %v : numgen inc mod %d map %s", outside, ports, portMap(basePort))
	case symRandom:
		post = udpOut + "masquerade fully-random"
	case udpBlocked:
		forward = "meta l4proto udp drop"
	}
	switch k {
	case fullCone:
		pre = fmt.Sprintf("iifname wan ip daddr %v dnat ip to udp dport map @back", outside)
	case addrCone:
		pre = fmt.Sprintf("iifname wan ip daddr %v ip saddr . udp dport @adf dnat ip to udp dport map @back", outside)
	}
	if hairpin {
		pre += fmt.Sprintf("\niifname lan ip daddr %v meta l4proto udp dnat ip to udp dport map @back", outside)
		post = fmt.Sprintf("iifname lan oifname lan ct status dnat meta l4proto udp snat ip to %v : ip saddr . udp sport map @eim\n", outside) + post
	}
	if k != firewall {
		post += "\noifname wan masquerade"
	}
	return strings.NewReplacer("PRE", pre, "POST", post, "LEARN", learn, "INPUT", input, "FORWARD", forward).Replace(`
table ip nat {
	map eim { type ipv4_addr . inet_service : inet_service; flags dynamic; size 65536; }
	map back { type inet_service : ipv4_addr . inet_service; flags dynamic; size 65536; }
	set adf { type ipv4_addr . inet_service; flags dynamic; size 65536; }
	chain pre { type nat hook prerouting priority dstnat; policy accept;
PRE
	}
	chain post { type nat hook postrouting priority srcnat; policy accept;
POST
	}
	chain learn { type filter hook postrouting priority srcnat + 10; policy accept;
LEARN
	}
}
table inet fw {
	chain input { type filter hook input priority 0; policy accept;
		ct state established,related accept
		meta l4proto { icmp, ipv6-icmp } accept
		iifname wan INPUT
	}
	chain forward { type filter hook forward priority 0; policy drop;
FORWARD
		ct state established,related accept
		ct status dnat accept
		iifname lan accept
	}
}
`)
}

// portMap maps numbers from 0 to ports: nft's own are in the host's byte order.
func portMap(base int) string {
	var b strings.Builder
	for i := range ports {
		fmt.Fprintf(&b, "%d : %d, ", i, base+i)
	}
	return "{ " + strings.TrimSuffix(b.String(), ", ") + " }"
}
