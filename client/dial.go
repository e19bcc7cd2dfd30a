package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// sdk is this library in the server's logs.
const sdk = "troupe-go"

// Dial connects to the first of the URLs that lets it in: tcp://host:port,
// tls://host:port, ws://host/path, wss://host/path or udp://host:port. They are
// tried in order, each for at most Limits.HandshakeTimeout, until ctx ends. A
// server that refuses ends the trying, unless it merely has no room or is going:
// its word would be the same elsewhere. The error joins those of all attempts; a
// refusal among them is a [RefusedError].
//
// What has been dialled no longer depends on ctx.
func Dial(ctx context.Context, cfg Config, urls ...string) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	targets, err := parseURLs(urls)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, u := range targets {
		c, err := cfg.attempt(ctx, u)
		if err == nil {
			c.start()
			return c, nil
		}
		faults = append(faults, fmt.Errorf("client: %s://%s: %w", u.Scheme, u.Host, err))
		if ctx.Err() != nil || final(err) {
			break
		}
	}
	return nil, errors.Join(faults...)
}

func parseURLs(urls []string) ([]*url.URL, error) {
	if len(urls) == 0 {
		return nil, errors.New("client: Dial needs a URL")
	}
	var targets []*url.URL
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		switch u.Scheme {
		case "tcp", "tls", "udp":
			if u.Port() == "" || u.Path != "" || u.RawQuery != "" {
				return nil, fmt.Errorf("client: %s: want %s://host:port", u.Redacted(), u.Scheme)
			}
		case "ws", "wss":
		default:
			return nil, fmt.Errorf("client: %s: the schemes are tcp, tls, ws, wss and udp", u.Redacted())
		}
		if u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return nil, fmt.Errorf("client: %s: want a host, and neither user nor fragment: credentials are Config.Auth", u.Redacted())
		}
		targets = append(targets, u)
	}
	return targets, nil
}

// final reports whether an error is a server's word against this client rather
// than on its own state.
func final(err error) bool {
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok {
		return false
	}
	switch refused.Code {
	case wire.CodeBusy, wire.CodeOverloaded, wire.CodeShutdown, wire.CodeMoved:
		return false
	}
	return true
}

// attempt tries one URL.
func (cfg *Config) attempt(ctx context.Context, u *url.URL) (*Client, error) {
	limit := cfg.Limits.HandshakeTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v: %w", limit, context.DeadlineExceeded))
	defer cancel()
	c, err := cfg.enter(ctx, u)
	if due, _ := ctx.Deadline(); err != nil && !time.Now().Before(due) {
		<-ctx.Done() // the connection's clock was first
	}
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return c, err
}

// enter connects and says Hello.
func (cfg *Config) enter(ctx context.Context, u *url.URL) (*Client, error) {
	if u.Scheme == "udp" {
		return cfg.enterUDP(ctx, u)
	}
	conn, err := cfg.connect(ctx, u)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // wakes whatever waits
	asked := time.Now()
	offer := &session.Offer{App: cfg.App, SDK: sdk, Auth: cfg.Auth, Payload: cfg.Payload}
	if !cfg.StreamOnly {
		offer.Features = session.FeatureDatagrams
	}
	in, err := conn.Greet(ctx, offer)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := newClient(*cfg, cfg.newEnv(), in, asked)
	c.over(conn, in, u.Hostname())
	return c, nil
}
