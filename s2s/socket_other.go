//go:build !linux

package s2s

import "syscall"

func tuneSocket(_, _ string, _ syscall.RawConn) error { return nil }
