package main

import (
	"errors"
	"flag"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

var crowd = flag.Bool("crowd", false, "hold 12,000 connections at once; needs as many descriptors in each of two processes")

// Ten thousand peers that are silent and two thousand that are not, at once, and
// every one of them is served: during all of it the active ones, at the end the
// silent ones.
func TestCrowd(t *testing.T) {
	const idlers, actives = 10_000, 2000
	if !*crowd {
		t.Skip("-crowd is not set")
	}
	if runtime.GOOS != "linux" {
		t.Skip("its processes are looked after by way of /proc")
	}
	s := subject{name: troupeEcho, dialect: troupeDialect()}
	srv, err := start(t.Context(), "crowd", s, &options{stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := srv.stop(); err != nil {
			t.Error(err)
		}
	}()
	deadline := time.Now().Add(time.Minute)
	conns, err := dial(t.Context(), srv.addr, s.dialect, idlers+actives, deadline)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(conns)
	x := s.dialect.echo(1)
	silent, lively := conns[:idlers], conns[idlers:]
	until := time.Now().Add(5 * time.Second)
	answered, errs := make([]int, actives), make([]error, actives)
	var wg sync.WaitGroup
	for i, c := range lively {
		wg.Go(func() { // ends with the time or at an error
			for errs[i] == nil && time.Now().Before(until) {
				errs[i] = c.exchange(&x)
				answered[i]++
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	sum, least := 0, answered[0]
	for _, n := range answered {
		sum, least = sum+n, min(least, n)
	}
	for i, c := range silent {
		if err := c.exchange(&x); err != nil {
			t.Fatalf("silent peer %d: %v", i, err)
		}
	}
	memory, err := srv.memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d peers; %d operations in 5 s by %d of them, each at least %d; %d MB in memory", len(conns), sum, actives, least, memory>>20)
	if least == 0 {
		t.Error("somebody was never answered")
	}
}
