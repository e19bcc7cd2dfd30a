package troupe_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/transport"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Shutdown leaves no descriptor: of listeners, sessions, half a handshake.
func TestShutdownLeavesNoDescriptor(t *testing.T) {
	before := descriptors(t)
	srv := newServer(t, echo)
	keyFile := t.TempDir() + "/key"
	_, pin, err := transport.DevelopmentCertificate(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	srv.Transport.KeyFile = keyFile
	addrs := listen(t, srv, "tcp://127.0.0.1:0", "tls://127.0.0.1:0", "ws://127.0.0.1:0", "wss://127.0.0.1:0")
	var clients []*client.Client
	for i, scheme := range []string{"tcp", "tls", "ws", "wss"} {
		for range 3 {
			c := dial(t, client.Config{Pin: pin}, scheme+"://"+addrs[i].String())
			ask(t, c, "hello")
			clients = append(clients, c)
		}
	}
	clients[0].Close()
	for _, a := range addrs {
		silent, err := net.Dial("tcp", a.String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	shutDown(t, srv)
	for _, c := range clients {
		<-c.Done()
		c.Close()
	}
	for range 100 { // the silent ones' ends on our side are four
		if descriptors(t) == before+len(addrs) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d descriptors are open, %d were before", descriptors(t)-len(addrs), before)
}
