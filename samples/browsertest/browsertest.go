// Package browsertest lets tests of samples use a page as people do: a tab of a
// browser without a window, with a test at the mouse and the keyboard.
package browsertest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshot", "", "keep the screenshots in this `folder`")

const patience = 20 * time.Second

// Need finds a program, or skips the test with the reason; with env set to
// "required" it fails.
func Need(t *testing.T, env string, programs ...string) string {
	t.Helper()
	for _, p := range programs {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	if os.Getenv(env) == "required" {
		t.Fatalf("there is none of %q, and %s=required", programs, env)
	}
	t.Skipf("there is none of %q", programs)
	return ""
}

// Start starts a browser without a window. The test is skipped, with the
// reason, where there is none.
func Start(t *testing.T) context.Context {
	path := Need(t, "TROUPE_BROWSER", "chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell")
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

// Tab is a page in a tab.
type Tab struct {
	Name string // for messages

	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	faults []string // that the page has had
}

// Open opens a page in a tab, and waits until it shows what ready selects.
func Open(t *testing.T, browser context.Context, url string, width, height int64, ready string) *Tab {
	t.Helper()
	p := &Tab{t: t}
	window := target.CreateTarget("about:blank").WithNewWindow(true) // what is behind another tab is not drawn
	id, err := window.Do(cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser))
	if err != nil {
		t.Fatal(err)
	}
	p.ctx, p.cancel = chromedp.NewContext(browser, chromedp.WithTargetID(id))
	t.Cleanup(p.cancel)
	chromedp.ListenTarget(p.ctx, p.listen)
	if err := chromedp.Run(p.ctx); err != nil { // opens it: the context of the first Run is the tab's life
		t.Fatal(err)
	}
	p.Do(chromedp.EmulateViewport(width, height), log.Enable(), chromedp.Navigate(url), chromedp.WaitVisible(ready))
	return p
}

// listen notes what goes wrong in the page.
func (p *Tab) listen(event any) {
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

// Do does these actions.
func (p *Tab) Do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.Name, err)
	}
}

// Click clicks on what a selector selects.
func (p *Tab) Click(selector string) {
	p.t.Helper()
	p.Do(chromedp.Click(selector))
}

// Waits waits until the element shows all of texts.
func (p *Tab) Waits(id string, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.Do(chromedp.ActionFunc(func(ctx context.Context) error {
			shows := fmt.Sprintf("document.getElementById(%q).innerText.includes(%q)", id, text)
			if err := chromedp.Poll(shows, nil, chromedp.WithPollingInterval(20*time.Millisecond)).Do(ctx); err != nil {
				return fmt.Errorf("#%s does not show %q but %q: %w", id, text, p.Text(id), err)
			}
			return nil
		}))
	}
}

// Text is what the element shows.
func (p *Tab) Text(id string) (text string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf("document.getElementById(%q).innerText", id), &text)); err != nil {
		p.t.Error(err)
	}
	return text
}

// Lacks fails the test if the element shows a text.
func (p *Tab) Lacks(id, text string) {
	p.t.Helper()
	if got := p.Text(id); strings.Contains(got, text) {
		p.t.Errorf("%s: #%s shows %q", p.Name, id, got)
	}
}

// Hides fails the test if anything that the selector selects is there to be seen.
func (p *Tab) Hides(selector string) {
	p.t.Helper()
	var visible int
	p.Do(chromedp.Evaluate(fmt.Sprintf("[...document.querySelectorAll(%q)].filter((e) => e.checkVisibility()).length", selector), &visible))
	if visible > 0 {
		p.t.Errorf("%s: %d of %s are visible", p.Name, visible, selector)
	}
}

// IsSound fails the test if the page has had an error.
func (p *Tab) IsSound() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		p.t.Errorf("%s: %q", p.Name, p.faults)
	}
}

// Picture takes a screenshot.
func (p *Tab) Picture(name string) {
	p.t.Helper()
	var png []byte
	p.Do(chromedp.CaptureScreenshot(&png))
	folder := *screenshots
	if folder == "" {
		folder = p.t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		p.t.Error(err)
	}
}

// Closes ends the tab.
func (p *Tab) Closes() { p.cancel() }
