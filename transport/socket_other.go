//go:build !linux

package transport

import "syscall"

func tuneSocket(_, _ string, _ syscall.RawConn) error { return nil }
