package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/troupe-go/troupe/samples/browsertest"
	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/samples/mmo/world/interest"
)

func TestBrowser(t *testing.T) {
	browser := browsertest.Start(t)
	t.Run("world", func(t *testing.T) { testWorld(t, browser) })
	t.Run("p2p", func(t *testing.T) { testP2P(t, browser) })
}

// testWorld is the world as people meet it: two tabs among bots.
func testWorld(t *testing.T, browser context.Context) {
	o := options{web: "127.0.0.1:0", addr: "127.0.0.1:0", size: 190, rules: world.Standard(), spawn: around(95, 95, 20)}
	coin, wolf, person := o.rules[world.Coin], o.rules[world.Wolf], o.rules[world.Person]
	coin.PerRegion = 8 // there is one near
	wolf.PerRegion = 3
	person.Use = nil // nobody dies of each other
	o.rules[world.Coin], o.rules[world.Wolf], o.rules[world.Person] = coin, wolf, person
	g := serve(t, o, 40)

	ann := openTab(t, browser, g.srv.page, 1200, 800)
	bob := openTab(t, browser, g.srv.page, 390, 844)
	ann.enter("a b")
	ann.Waits("toast", "A name has 1 to 16 letters")
	ann.Picture("door")
	ann.enter("ann")
	bob.enter("bob")
	for _, p := range []*tab{ann, bob} {
		p.shows("brief", `^\d\d+ items`)
	}
	ann.shows("view", `^\d\d+ items$`)
	ann.shows("rtt", `^\d+ ms$`)
	ann.shows("age", `^\d+ ms$`)
	ann.shows("in", `^\d+\.\d kB/s$`)
	ann.shows("out", `^[01]\.\d kB/s$`)
	ann.shows("paths", `direct 0\s+relay 0\s+server \d\d`)
	ann.shows("neighbours", `(\S+\s+server, \d+ m\s*){5}`)

	ann.says("Good morning! Who is coming along to hunt wolves?")
	bob.Waits("lines", "Who is coming along to hunt wolves?")
	bob.says("<img src=x onerror=alert(1)> is just text here.")
	ann.Waits("lines", "<img src=x onerror=alert(1)> is just text here.")

	from := g.place("ann")
	ann.presses(input.KeyDown, "KeyD")
	g.waits("ann", func(at interest.Point) bool { return at.X > from.X+4 && math.Abs(at.Y-from.Y) < 0.1 })
	ann.presses(input.KeyUp, "KeyD")

	g.until(func() bool { // it may be somebody else's by the time one is there
		ann.clicks(g.nearest("ann", world.Coin))
		return g.seen("ann").Score > 0
	}, func() string { return "ann gets no coin" })
	ann.shows("score", `^[1-9]`)
	ann.Picture("wide")
	bob.Picture("narrow")
	ann.IsSound()
	bob.IsSound()
}

// testP2P has players tell the page where they are, as far as a browser can be
// told, and the server end, and begin again.
func testP2P(t *testing.T, browser context.Context) {
	o := options{web: "127.0.0.1:0", addr: "127.0.0.1:0", size: 128, spawn: around(64, 64, 10), p2p: true}
	person := world.Standard()[world.Person]
	person.Use = nil // there is nothing that a click could be for
	o.rules = map[world.Kind]world.Rules{world.Person: person}
	g := serve(t, o, 5)
	ann := openTab(t, browser, g.srv.page, 800, 600)
	ann.enter("ann")
	ann.shows("paths", `direct 0\s+relay 5\s+server 0`)
	from := g.place("ann") // walks toward a finger
	ann.Do(emulation.SetTouchEmulationEnabled(true), input.DispatchTouchEvent(input.TouchStart, []*input.TouchPoint{{X: 400, Y: 150}}))
	g.waits("ann", func(at interest.Point) bool { return at.Y < from.Y-3 && math.Abs(at.X-from.X) < 1 })
	ann.Do(input.DispatchTouchEvent(input.TouchEnd, []*input.TouchPoint{}), emulation.SetTouchEmulationEnabled(false))
	g.until(func() bool { return g.believed("ann") }, func() string { return "ann is not heard" })

	o.web = g.srv.web.Addr().String()
	g.stop()
	ann.Waits("over", "The session has ended", "the server stops")
	ann.Click("#reconnect")
	ann.Waits("toast", "There is no answer.")
	ann.Picture("over")
	serve(t, o, 3)
	ann.Click("#reconnect")
	ann.shows("paths", `direct 0\s+relay 3\s+server 0`)
	ann.Hides("#over")
}

// around has characters appear near a place.
func around(x, y, within float64) func() interest.Point {
	return func() interest.Point {
		return interest.Point{X: x, Y: y}.Add(within*rand.Float64(), 2*math.Pi*rand.Float64())
	}
}

// served is a server and bots, over real sockets.
type served struct {
	t    *testing.T
	srv  *server
	stop func()
	herd
}

func serve(t *testing.T, o options, bots int) *served {
	t.Helper()
	srv, err := listen(o, slogTo(t.Output()))
	if err != nil {
		t.Fatal(err)
	}
	end := srv.start()
	g := &served{t: t, srv: srv}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	g.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := end(); err != nil {
			t.Error(err)
		}
		for _, b := range g.bots {
			b.c.Close()
		}
	})
	t.Cleanup(g.stop)
	if err := g.gather(ctx, options{bots: bots, over: "udp", connect: srv.urls["udp"], pin: srv.pin}); err != nil {
		t.Fatal(err)
	}
	wg.Go(func() { g.drive(ctx, 0, 1) }) // ended by stop
	return g
}

// seen is somebody as a bot sees it; the zero Thing if none does.
func (g *served) seen(name string) (found protocol.Thing) {
	for _, b := range g.bots {
		for _, s := range b.things() {
			if s.Name == name && s.Tick > found.Tick {
				found = s
			}
		}
	}
	return found
}

// place is where bots see somebody.
func (g *served) place(name string) (at interest.Point) {
	g.t.Helper()
	g.waits(name, func(p interest.Point) bool { at = p; return true })
	return at
}

// waits waits until a bot sees somebody at a place that is as wanted.
func (g *served) waits(name string, wanted func(interest.Point) bool) {
	g.t.Helper()
	var s protocol.Thing
	g.until(func() bool {
		s = g.seen(name)
		return s.Tick > 0 && wanted(place(s.X, s.Y))
	}, func() string { return fmt.Sprintf("%s is not where it should be: %+v", name, s) })
}

// nearest is how far the nearest item of a kind is from somebody.
func (g *served) nearest(name string, kind world.Kind) (dx, dy float64) {
	s := g.seen(name)
	at, best := place(s.X, s.Y), math.Inf(1)
	for _, b := range g.bots {
		for _, s := range b.things() {
			if p := place(s.X, s.Y); s.Kind == uint8(kind) && s.Health > 0 && at.Distance(p) < best {
				dx, dy, best = p.X-at.X, p.Y-at.Y, at.Distance(p)
			}
		}
	}
	return dx, dy
}

// believed reports whether a bot believes what somebody says of itself.
func (g *served) believed(name string) bool {
	id := g.seen(name).ID
	for _, b := range g.bots {
		b.mu.Lock()
		h, ok := b.others[id], false
		if h != nil {
			_, ok = h.last(b.c.ServerTime())
		}
		b.mu.Unlock()
		if ok {
			return true
		}
	}
	return false
}

func (g *served) until(done func() bool, fault func() string) {
	g.t.Helper()
	tick, deadline := time.NewTicker(2*world.Tick), time.After(10*time.Second)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			g.t.Fatal(fault())
		}
	}
}

// tab is the page in a tab.
type tab struct {
	*browsertest.Tab
	t *testing.T
}

func openTab(t *testing.T, browser context.Context, url string, width, height int64) *tab {
	t.Helper()
	p := &tab{browsertest.Open(t, browser, url, width, height, "#enter"), t}
	if width < 500 { // a phone
		p.Do(emulation.SetDeviceMetricsOverride(width, height, 2, true))
	}
	return p
}

func (p *tab) enter(name string) {
	p.t.Helper()
	p.Name = name
	p.Do(chromedp.SetValue("#name", name), chromedp.Click("#enter button"))
}

func (p *tab) says(text string) {
	p.t.Helper()
	p.Do(chromedp.SetValue("#text", text), chromedp.SendKeys("#text", "\r"))
}

// clicks clicks on what is so many metres from the middle of a page of 1200 by 800.
func (p *tab) clicks(dx, dy float64) {
	p.t.Helper()
	scale := math.Hypot(600, 400) / 56
	p.Do(chromedp.MouseClickXY(600+dx*scale, 400+dy*scale))
}

// presses has keys go down or up.
func (p *tab) presses(what input.KeyType, codes ...string) {
	p.t.Helper()
	for _, code := range codes {
		p.Do(input.DispatchKeyEvent(what).WithCode(code))
	}
}

// shows waits until the element's text matches a pattern.
func (p *tab) shows(id, pattern string) {
	p.t.Helper()
	regexp.MustCompile(pattern)
	p.Do(chromedp.ActionFunc(func(ctx context.Context) error {
		matches := fmt.Sprintf("new RegExp(%q).test(document.getElementById(%q).innerText)", pattern, id)
		if err := chromedp.Poll(matches, nil, chromedp.WithPollingInterval(20*time.Millisecond)).Do(ctx); err != nil {
			return fmt.Errorf("#%s shows %q, want %s: %w", id, p.Text(id), pattern, err)
		}
		return nil
	}))
}
