package transport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// proxyHeaders are PROXY protocol headers of version 2 as proxies send them.
var proxyHeaders = []struct {
	name, hex string
	want      string // address; "" is the proxy's own, "!" an error
}{
	{"TCP over IPv4", "0d0a0d0a000d0a515549540a" + "21" + "11" + "000c" + "c0000201" + "c6336402" + "8235" + "01bb", "192.0.2.1:33333"},
	{"TCP over IPv6", "0d0a0d0a000d0a515549540a" + "21" + "21" + "0024" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "8235" + "01bb", "[2001:db8::1]:33333"},
	{"mapped IPv4", "0d0a0d0a000d0a515549540a" + "21" + "21" + "0024" + "00000000000000000000ffffc0000201" + "00000000000000000000ffffc6336402" + "8235" + "01bb", "192.0.2.1:33333"},
	{"with a TLV", "0d0a0d0a000d0a515549540a" + "21" + "11" + "0012" + "c0000201" + "c6336402" + "8235" + "01bb" + "030003abcdef", "192.0.2.1:33333"},
	{"LOCAL", "0d0a0d0a000d0a515549540a" + "20" + "00" + "0000", ""},
	{"LOCAL with addresses", "0d0a0d0a000d0a515549540a" + "20" + "11" + "000c" + "c0000201" + "c6336402" + "8235" + "01bb", ""},
	{"unspecified", "0d0a0d0a000d0a515549540a" + "21" + "00" + "0000", "!"},
	{"version 1", hex.EncodeToString([]byte("PROXY TCP4 192.0.2.1 198.51.100.2 33333 443\r\n")), "!"},
	{"version 3", "0d0a0d0a000d0a515549540a" + "31" + "11" + "000c" + "c0000201" + "c6336402" + "8235" + "01bb", "!"},
	{"another signature", "0d0a0d0a000d0a515549540b" + "21" + "11" + "000c" + "c0000201" + "c6336402" + "8235" + "01bb", "!"},
	{"too short for IPv4", "0d0a0d0a000d0a515549540a" + "21" + "11" + "0008" + "c0000201" + "c6336402", "!"},
	{"no command", "0d0a0d0a000d0a515549540a" + "2f" + "11" + "000c" + "c0000201" + "c6336402" + "8235" + "01bb", "!"},
	{"64 KiB, it says", "0d0a0d0a000d0a515549540a" + "21" + "11" + "ffff" + strings.Repeat("00", 100), "!"},
	{"cut off", "0d0a0d0a000d0a515549540a" + "21" + "11" + "000c" + "c000", "!"},
	{"nothing", "", "!"},
}

func TestProxyHeader(t *testing.T) {
	for _, tt := range proxyHeaders {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(append(b, "what follows"...))
		if tt.name == "cut off" || tt.name == "nothing" {
			r = bytes.NewReader(b)
		}
		got, err := readProxyHeader(r)
		switch tt.want {
		case "!":
			if err == nil {
				t.Errorf("%s: read as %v", tt.name, got)
			}
			continue
		case "":
			if err != nil || got.IsValid() {
				t.Errorf("%s: %v %v, want no address", tt.name, got, err)
			}
		default:
			if err != nil || got != netip.MustParseAddrPort(tt.want) {
				t.Errorf("%s: %v %v, want %s", tt.name, got, err, tt.want)
			}
		}
		if rest, _ := io.ReadAll(r); string(rest) != "what follows" {
			t.Errorf("%s: %q is left to read", tt.name, rest)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, tt := range proxyHeaders {
		if b, err := hex.DecodeString(tt.hex); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		a, err := readProxyHeader(r)
		if read := len(b) - r.Len(); read > proxyHeader+maxProxyTail {
			t.Errorf("%d bytes were read", read)
		}
		if err != nil && a.IsValid() {
			t.Errorf("%v with %v", a, err)
		}
		if a.Addr().Is4In6() {
			t.Errorf("%v is mapped", a)
		}
	})
}

func FuzzForwardedFor(f *testing.F) {
	for _, s := range []string{"", "192.0.2.1", "192.0.2.1, 10.0.0.1", "::1", "fe80::1%eth0", ",", "::ffff:10.0.0.1", "unknown", "192.0.2.1:80"} {
		f.Add(s)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	proxy, client := netip.MustParseAddrPort("10.0.0.9:1"), netip.MustParseAddrPort("192.0.2.9:1")
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"X-Forwarded-For": {header}}}
		if got := forwardedFor(r, client, proxies); got != client {
			t.Errorf("a client makes itself %v", got)
		}
		got := forwardedFor(r, proxy, proxies)
		if !got.Addr().IsValid() || got.Addr().Is4In6() || got != proxy && trusted(proxies, got.Addr()) {
			t.Errorf("%q is read as %v", header, got)
		}
	})
}

// foreign reads Host and Origin, which a page can choose to some extent.
func FuzzOrigin(f *testing.F) {
	f.Add("127.0.0.1:4530", "http://127.0.0.1:4530", "*.example")
	f.Add("[::1]", "https://a.example", "a.example")
	f.Add("evil.example", "null", "https://a.example:1")
	f.Add("", "://", "[")
	f.Fuzz(func(t *testing.T, host, origin, pattern string) {
		tr := &Transport{cfg: Config{}}
		r := &http.Request{Host: host, Header: http.Header{"Origin": {origin}}}
		if tr.foreign(r, false) == "" && !tr.ownHost(hostname(host)) {
			t.Errorf("host %q passes in plaintext", host)
		}
		if strings.EqualFold(origin, "null") && tr.foreign(r, true) == "" {
			t.Error("a page without an origin passes")
		}
		tr.cfg.Origins = []string{pattern}
		tr.foreign(r, true) // no panic
	})
}

func TestReadErrorIsKept(t *testing.T) {
	broken := errors.New("broken")
	if _, err := readProxyHeader(io.MultiReader(strings.NewReader("\r\n"), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
