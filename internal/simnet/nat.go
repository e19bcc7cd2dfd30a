package simnet

import (
	"fmt"
	"net/netip"
	"time"
)

// Dependence says on what of the remote endpoint a mapping or a filter depends
// (RFC 4787).
type Dependence int

const (
	EndpointIndependent  Dependence = iota
	AddressDependent                // on the address
	AddressPortDependent            // on address and port
)

func (d Dependence) String() string {
	return [...]string{"endpoint independent", "address dependent", "address and port dependent"}[d]
}

// part is what of a remote endpoint makes a difference.
func (d Dependence) part(remote netip.AddrPort) netip.AddrPort {
	switch d {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(remote.Addr(), 0)
	}
	return remote
}

// Ports says how the outer port of a new mapping is chosen.
type Ports int

const (
	RandomPorts     Ports = iota
	SequentialPorts       // Step after the one before
	PreservedPorts        // the inner port; a random one if that is taken or out of range
)

// Hairpin says what a router does with datagrams from inside to its own address.
type Hairpin int

const (
	HairpinNone     Hairpin = iota // drops them
	HairpinExternal                // delivers them from the sender's outer address, as RFC 4787 wants
	HairpinInternal                // delivers them from the sender's inner address, which few expect
)

// NAT says how a router translates and filters. The zero value is FullCone.
type NAT struct {
	Mapping   Dependence
	Filtering Dependence
	Hairpin   Hairpin

	Ports               Ports
	Step                int    // of SequentialPorts; 0 means 1
	FirstPort, LastPort uint16 // range of outer ports; 0 means 1024 and 65535

	// SharedPorts lets inner endpoints have one outer port as long as their
	// remotes differ, as Linux does with preserved ports.
	SharedPorts bool

	Timeout        time.Duration // of unused mappings and filters; 0 means 30s
	RefreshInbound bool          // what comes in keeps them alive too
	MaxMappings    int           // more flows are refused; 0 means no limit

	// RemapTrap is what Linux routers do that accept unsolicited datagrams: one
	// from X to outer port p makes the pair theirs, and what inside owns p gets
	// another port when it sends to X.
	RemapTrap bool

	// Blocked lets no UDP pass; streams do.
	Blocked bool

	// Routed filters without translating: a firewall. Hosts inside have public
	// addresses. Addresses of another family than the router's are routed always.
	Routed bool
}

// FullCone maps and filters independent of the endpoint.
func FullCone() NAT { return NAT{} }

// RestrictedCone lets in whom inside has sent to, from any port.
func RestrictedCone() NAT { return NAT{Filtering: AddressDependent} }

// PortRestricted lets in exactly whom inside has sent to.
func PortRestricted() NAT { return NAT{Filtering: AddressPortDependent} }

// Symmetric has another, random, port for each remote endpoint.
func Symmetric() NAT {
	return NAT{Mapping: AddressPortDependent, Filtering: AddressPortDependent}
}

// SymmetricSequential is Symmetric with ports that can be predicted.
func SymmetricSequential() NAT {
	return NAT{Mapping: AddressPortDependent, Filtering: AddressPortDependent, Ports: SequentialPorts}
}

// Linux is what a Linux router's masquerading does.
func Linux() NAT {
	return NAT{Filtering: AddressPortDependent, Ports: PreservedPorts, SharedPorts: true, RefreshInbound: true}
}

// Firewall translates nothing and lets in exactly whom inside has sent to.
func Firewall() NAT {
	return NAT{Filtering: AddressPortDependent, RefreshInbound: true, Routed: true}
}

// Blocked lets no UDP pass.
func Blocked() NAT { return NAT{Blocked: true} }

func (c NAT) withDefaults() NAT {
	if c.Step == 0 {
		c.Step = 1
	}
	if c.FirstPort == 0 {
		c.FirstPort = 1024
	}
	if c.LastPort == 0 {
		c.LastPort = 65535
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return c
}

func (c NAT) validate() error {
	if c.FirstPort > c.LastPort || c.Timeout < 0 || c.MaxMappings < 0 || c.Step < 0 {
		return fmt.Errorf("simnet: no such NAT: %+v", c)
	}
	return nil
}
