package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// voice is a client that asks by datagrams. It belongs to one goroutine at a
// time.
type voice interface {
	// ask sends payload, waits for the answer until ctx ends and compares it.
	ask(ctx context.Context, payload []byte) error
	close() error
}

// choir dials the i-th client of a server's. The client's waits end with ctx.
type choir func(ctx context.Context, addr string, i int) (voice, error)

// Clients come so many at a time, and no faster than a server of Troupe's begins
// handshakes: 500 a second.
const (
	dialsAtOnce = 8
	dialPause   = dialsAtOnce * time.Second / 450 // of each
)

// sing dials n clients, be they voices or other things.
func sing[V closer](ctx context.Context, addr string, dial func(ctx context.Context, addr string, i int) (V, error), n int) ([]V, error) {
	voices, errs := make([]V, n), make([]error, dialsAtOnce)
	var wg sync.WaitGroup
	for k := range dialsAtOnce {
		wg.Go(func() { // ends with its share of the dials
			for i := k; i < n; i += dialsAtOnce {
				next := time.Now().Add(dialPause)
				v, err := dial(ctx, addr, i)
				if err != nil {
					errs[k] = fmt.Errorf("client %d of %d: %w", i+1, n, err)
					return
				}
				voices[i] = v
				if i >= burstOfDials {
					time.Sleep(time.Until(next))
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, silence(voices))
	}
	return voices, nil
}

// burstOfDials may come as fast as they can.
const burstOfDials = 400

// closer is what is closed in the end.
type closer interface {
	comparable
	close() error
}

// silence closes voices, those that are nil left out.
func silence[V closer](voices []V) error {
	var none V
	errs := make([]error, dialsAtOnce)
	var wg sync.WaitGroup
	for k := range dialsAtOnce {
		wg.Go(func() {
			for i := k; i < len(voices); i += dialsAtOnce {
				if voices[i] != none {
					errs[k] = errors.Join(errs[k], voices[i].close())
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// troupeVoice is a client of troupeUDP's that asks by operations.
type troupeVoice struct{ c *client.Client }

// dialTroupe dials a client as a user does; addr has the server's pin behind it.
func dialTroupe(ctx context.Context, addr string, cfg client.Config) (*client.Client, error) {
	addr, cfg.Pin, _ = strings.Cut(addr, " ")
	cfg.Limits.Rate = transport.Rate{PerSecond: -1}
	return client.Dial(ctx, cfg, "udp://"+addr)
}

func dialTroupeVoice(ctx context.Context, addr string, _ int) (voice, error) {
	c, err := dialTroupe(ctx, addr, client.Config{})
	if err != nil {
		return nil, err
	}
	return troupeVoice{c}, nil
}

func (v troupeVoice) ask(ctx context.Context, payload []byte) error {
	r, err := v.c.Call(ctx, 1, wire.Payload(payload))
	if err == nil && !bytes.Equal(r.Payload, payload) {
		err = wrongAnswer(r.Payload, payload)
	}
	return err
}

func (v troupeVoice) close() error { return v.c.Close() }

// unreliableVoice is a client of troupeUDP's that asks by unreliable notices,
// which events answer.
type unreliableVoice struct {
	c     *client.Client
	heard chan []byte // has room for one: what comes late is dropped
}

func dialUnreliable(ctx context.Context, addr string, _ int) (voice, error) {
	v := unreliableVoice{heard: make(chan []byte, 1)}
	var err error
	v.c, err = dialTroupe(ctx, addr, client.Config{OnEvent: func(e wire.Event) {
		select {
		case v.heard <- bytes.Clone(e.Payload):
		default:
		}
	}})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (v unreliableVoice) ask(ctx context.Context, payload []byte) error {
	again := time.NewTicker(lostAfter)
	defer again.Stop()
	for {
		if err := v.c.Notify(1, wire.Payload(payload), wire.Unreliable); err != nil {
			return err
		}
		select {
		case <-again.C:
		case got := <-v.heard:
			if !bytes.Equal(got, payload) {
				return wrongAnswer(got, payload)
			}
			return nil
		case <-v.c.Done():
			return v.c.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (v unreliableVoice) close() error { return v.c.Close() }
