//go:build !linux

package main

import "errors"

// tun needs Linux, as the figures do.
type tun struct{}

var errNoTUN = errors.New("TUN devices need Linux")

func openTUN() (*tun, error)         { return nil, errNoTUN }
func (*tun) close() error            { return nil }
func beyondTUN(server string) string { return server }
func serveTUN() (string, error)      { return "", errNoTUN }
