//go:build !linux

package udp

import "net"

// batched is nil: this platform has no calls for many datagrams.
func batched(*net.UDPConn, *counts) port { return nil }
