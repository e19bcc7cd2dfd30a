package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshot", "", "keep the screenshots in this `folder`")

func TestBrowser(t *testing.T) {
	browser := startBrowser(t)
	t.Run("chat", func(t *testing.T) { testChat(t, browser) })
	t.Run("restart", func(t *testing.T) { testRestart(t, browser) })
}

// testChat is the chat as people meet it: two tabs and a terminal.
func testChat(t *testing.T, browser context.Context) {
	addr, _ := start(t)
	ann := openTab(t, browser, addr, 1200, 800)
	bob := openTab(t, browser, addr, 400, 800)
	bob.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))

	ann.enter("a", "lobby") // too short
	ann.waits("toast", "A nick has 2 to 16 letters")
	ann.picture("door")
	ann.enter("ann", "lobby")
	ann.waits("lines", "You are in. Say hello!")
	ann.says("Good morning! Anybody up for a round of duel tonight?")
	ann.waits("lines", "duel tonight?")
	ann.says("<img src=x onerror=alert(1)> is just text here.")
	ann.waits("lines", "<img src=x onerror=alert(1)> is just text here.")

	bob.enter("ANN", "lobby")
	bob.waits("toast", "ANN is taken in this room.")
	bob.enter("bob", "lobby")
	bob.waits("lines", "duel tonight?") // history
	ann.waits("lines", "bob is here")

	cat := startConsole(t, addr, "lobby", "cat")
	cat.shows("* You are cat in lobby. "+help, "* Here: ann, bob, cat")
	cat.shows("ann: Good morning! Anybody up for a round of duel tonight?", "ann: <img src=x onerror=alert(1)> is just text here.")
	cat.types("Count me in. I am in a terminal, by the way: go run ./samples/chat -connect")
	for _, p := range []*tab{ann, bob} {
		p.waits("lines", "I am in a terminal")
	}
	bob.says("Same room, same order, on a phone.")
	cat.shows("cat: Count me in. I am in a terminal, by the way: go run ./samples/chat -connect", "bob: Same room, same order, on a phone.")

	bob.says("/msg ann Shall we let cat win?") // in private
	ann.waits("lines", "to you only", "Shall we let cat win?")
	bob.waits("lines", "to ann only")
	ann.says("/msg bob Never.")
	bob.waits("lines", "Never.")
	bob.says("/msg zoe hello?")
	bob.waits("toast", "zoe is not here.")
	ann.says("It is a deal: nine o'clock, here.")
	cat.shows("ann: It is a deal: nine o'clock, here.") // and no whisper before it
	bob.waits("lines", "nine o'clock")

	ann.picture("wide")
	bob.picture("narrow")

	cat.types("/msg bob psst")
	cat.shows("cat -> bob: psst")
	bob.waits("lines", "psst")
	ann.lacks("lines", "psst")

	bob.hides(".kick") // bob did not come first
	ann.click(`[aria-label="Kick bob"]`)
	bob.waits("toast", "You were kicked by ann.")
	ann.waits("lines", "bob was kicked by ann")
	cat.shows("* bob was kicked")
	bob.enter("bob", "lobby")
	ann.waits("members", "bob")
	cat.shows("* bob is here")

	ann.closes() // the tab
	cat.shows("* ann has gone")
	bob.waits("lines", "ann has gone")
	cat.types("/kick bob") // cat has become the first
	cat.shows("* bob was kicked")
	bob.waits("toast", "You were kicked by cat.")
	ann.isSound()
	bob.isSound()
}

// testRestart has the server stop under a page, which comes back by itself.
func testRestart(t *testing.T, browser context.Context) {
	addr, stop := start(t)
	ann := openTab(t, browser, addr, 600, 400)
	ann.enter("ann", "attic")
	ann.waits("lines", "You are in. Say hello!")
	ann.says("Is anybody here?")
	ann.waits("lines", "Is anybody here?")
	stop()
	ann.waits("state", "The connection is lost.")
	startAt(t, addr)
	bob := guests(t, addr, "lobby", "bob")[0] // the server is up
	bob.c.Close()
	ann.waits("state", "Connected")
	ann.lacks("lines", "Is anybody here?") // the server has forgotten
	ann.says("Welcome back.")
	ann.waits("lines", "Welcome back.")
	ann.click("#leave")
	ann.waits("door", "Pick a nick")
}

// startBrowser starts a browser without a window. The test is skipped, with the
// reason, where there is none.
func startBrowser(t *testing.T) context.Context {
	path := need(t, "TROUPE_BROWSER", "chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell")
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
	}
	for _, flag := range []string{"disable-background-networking", "disable-component-update", "disable-sync", "disable-quic", "hide-scrollbars", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Run(browser); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(browser); err != nil { // waits for its processes
			t.Log(err)
		}
	})
	return browser
}

// tab is the page in a tab, with a test at the mouse and the keyboard.
type tab struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	nick   string

	mu     sync.Mutex
	faults []string // that the page has had
}

func openTab(t *testing.T, browser context.Context, addr string, width, height int64) *tab {
	t.Helper()
	p := &tab{t: t}
	p.ctx, p.cancel = chromedp.NewContext(browser)
	t.Cleanup(p.cancel)
	chromedp.ListenTarget(p.ctx, p.listen)
	if err := chromedp.Run(p.ctx); err != nil { // opens it: the context of the first Run is the tab's life
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(width, height), log.Enable(), chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible("#enter"))
	return p
}

// listen notes what goes wrong in the page.
func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			p.faults = append(p.faults, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.nick, err)
	}
}

func (p *tab) enter(nick, room string) {
	p.t.Helper()
	p.nick = nick
	p.do(chromedp.SetValue("#nick", nick), chromedp.SetValue("#room", room), chromedp.Click("#enter button"))
}

func (p *tab) says(text string) {
	p.t.Helper()
	p.do(chromedp.SetValue("#text", text), chromedp.Click("#say button"))
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(selector))
}

// waits until the element shows all of texts.
func (p *tab) waits(id string, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.do(chromedp.ActionFunc(func(ctx context.Context) error {
			shows := fmt.Sprintf("document.getElementById(%q).innerText.includes(%q)", id, text)
			if err := chromedp.Poll(shows, nil, chromedp.WithPollingInterval(20*time.Millisecond)).Do(ctx); err != nil {
				return fmt.Errorf("#%s does not show %q but %q: %w", id, text, p.text(id), err)
			}
			return nil
		}))
	}
}

func (p *tab) text(id string) (text string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf("document.getElementById(%q).innerText", id), &text)); err != nil {
		p.t.Error(err)
	}
	return text
}

func (p *tab) lacks(id, text string) {
	p.t.Helper()
	if got := p.text(id); strings.Contains(got, text) {
		p.t.Errorf("%s: #%s shows %q", p.nick, id, got)
	}
}

// hides fails the test if anything that the selector selects is there to be seen.
func (p *tab) hides(selector string) {
	p.t.Helper()
	var visible int
	p.do(chromedp.Evaluate(fmt.Sprintf("[...document.querySelectorAll(%q)].filter((e) => e.checkVisibility()).length", selector), &visible))
	if visible > 0 {
		p.t.Errorf("%s: %d of %s are visible", p.nick, visible, selector)
	}
}

// isSound fails the test if the page has had an error.
func (p *tab) isSound() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		p.t.Errorf("%s: %q", p.nick, p.faults)
	}
}

func (p *tab) picture(name string) {
	p.t.Helper()
	var png []byte
	p.do(chromedp.CaptureScreenshot(&png))
	folder := *screenshots
	if folder == "" {
		folder = p.t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		p.t.Error(err)
	}
}

// closes ends the tab.
func (p *tab) closes() { p.cancel() }
