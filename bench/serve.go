package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
)

// servers are what bench serve can be. Each listens on a port of its own
// choosing, serves in the background until the process ends, and returns its
// address.
func servers() map[string]func() (addr string, err error) {
	return map[string]func() (string, error){
		plainEcho:       servePlain,
		plainFanout:     servePlainFanout,
		plainUDP:        servePlainUDP,
		plainSink:       servePlainSink,
		plainTLS:        servePlainTLS,
		kcpSink:         serveKCPSink,
		troupeSink:      serveTroupeSink,
		troupeQuiet:     serveTroupeQuiet,
		plainTUN:        serveTUN,
		kcpEcho:         serveKCP,
		troupeEcho:      serveTroupe,
		troupeGroup:     serveTroupeGroup,
		troupeRooms:     serveTroupeRooms,
		troupeUDP:       serveTroupeUDP,
		troupePairs:     serveTroupePairs,
		troupeTens:      serveTroupeTens,
		plainForward:    servePlainForward,
		troupeMaster:    serveTroupeMaster,
		plainCalls:      servePlainCalls,
		plainEvents:     servePlainEvents,
		troupeBroadcast: serveTroupeBroadcast,
	}
}

// serve is a server's process: it prints the address and serves until stdin
// ends.
func serve(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	profile := flags.String("cpuprofile", "", "write a CPU profile to `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listen, ok := servers()[flags.Arg(0)]
	if !ok {
		return fmt.Errorf("no server is named %q", flags.Arg(0))
	}
	addr, err := listen()
	if err != nil {
		return err
	}
	stop, err := startProfile(*profile)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, addr)
	if err == nil {
		_, err = io.Copy(io.Discard, stdin)
	}
	return errors.Join(err, stop())
}

// startProfile profiles the process's CPU time until stop; "" does nothing.
func startProfile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
