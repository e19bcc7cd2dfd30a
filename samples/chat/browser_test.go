package main

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/troupe-go/troupe/samples/browsertest"
)

func TestBrowser(t *testing.T) {
	browser := browsertest.Start(t)
	t.Run("chat", func(t *testing.T) { testChat(t, browser) })
	t.Run("restart", func(t *testing.T) { testRestart(t, browser) })
}

// testChat is the chat as people meet it: two tabs and a terminal.
func testChat(t *testing.T, browser context.Context) {
	addr, _ := start(t)
	ann := openTab(t, browser, addr, 1200, 800)
	bob := openTab(t, browser, addr, 400, 800)
	bob.Do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))

	ann.enter("a", "lobby") // too short
	ann.Waits("toast", "A nick has 2 to 16 letters")
	ann.Picture("door")
	ann.enter("ann", "lobby")
	ann.Waits("lines", "You are in. Say hello!")
	ann.says("Good morning! Anybody up for a round of duel tonight?")
	ann.Waits("lines", "duel tonight?")
	ann.says("<img src=x onerror=alert(1)> is just text here.")
	ann.Waits("lines", "<img src=x onerror=alert(1)> is just text here.")

	bob.enter("ANN", "lobby")
	bob.Waits("toast", "ANN is taken in this room.")
	bob.enter("bob", "lobby")
	bob.Waits("lines", "duel tonight?") // history
	ann.Waits("lines", "bob is here")

	cat := startConsole(t, addr, "lobby", "cat")
	cat.shows("* You are cat in lobby. "+help, "* Here: ann, bob, cat")
	cat.shows("ann: Good morning! Anybody up for a round of duel tonight?", "ann: <img src=x onerror=alert(1)> is just text here.")
	cat.types("Count me in. I am in a terminal, by the way: go run ./samples/chat -connect")
	for _, p := range []*tab{ann, bob} {
		p.Waits("lines", "I am in a terminal")
	}
	bob.says("Same room, same order, on a phone.")
	cat.shows("cat: Count me in. I am in a terminal, by the way: go run ./samples/chat -connect", "bob: Same room, same order, on a phone.")

	bob.says("/msg ann Shall we let cat win?") // in private
	ann.Waits("lines", "to you only", "Shall we let cat win?")
	bob.Waits("lines", "to ann only")
	ann.says("/msg bob Never.")
	bob.Waits("lines", "Never.")
	bob.says("/msg zoe hello?")
	bob.Waits("toast", "zoe is not here.")
	ann.says("It is a deal: nine o'clock, here.")
	cat.shows("ann: It is a deal: nine o'clock, here.") // and no whisper before it
	bob.Waits("lines", "nine o'clock")

	ann.Picture("wide")
	bob.Picture("narrow")

	cat.types("/msg bob psst")
	cat.shows("cat -> bob: psst")
	bob.Waits("lines", "psst")
	ann.Lacks("lines", "psst")

	bob.Hides(".kick") // bob did not come first
	ann.Click(`[aria-label="Kick bob"]`)
	bob.Waits("toast", "You were kicked by ann.")
	ann.Waits("lines", "bob was kicked by ann")
	cat.shows("* bob was kicked")
	bob.enter("bob", "lobby")
	ann.Waits("members", "bob")
	cat.shows("* bob is here")

	ann.Closes() // the tab
	cat.shows("* ann has gone")
	bob.Waits("lines", "ann has gone")
	cat.types("/kick bob") // cat has become the first
	cat.shows("* bob was kicked")
	bob.Waits("toast", "You were kicked by cat.")
	ann.IsSound()
	bob.IsSound()
}

// testRestart has the server stop under a page, which comes back by itself.
func testRestart(t *testing.T, browser context.Context) {
	addr, stop := start(t)
	ann := openTab(t, browser, addr, 600, 400)
	ann.enter("ann", "attic")
	ann.Waits("lines", "You are in. Say hello!")
	ann.says("Is anybody here?")
	ann.Waits("lines", "Is anybody here?")
	stop()
	ann.Waits("state", "The connection is lost.")
	startAt(t, addr)
	bob := guests(t, addr, "lobby", "bob")[0] // the server is up
	bob.c.Close()
	ann.Waits("state", "Connected")
	ann.Lacks("lines", "Is anybody here?") // the server has forgotten
	ann.says("Welcome back.")
	ann.Waits("lines", "Welcome back.")
	ann.Click("#leave")
	ann.Waits("door", "Pick a nick")
}

// tab is the chat's page in a tab.
type tab struct{ *browsertest.Tab }

func openTab(t *testing.T, browser context.Context, addr string, width, height int64) *tab {
	t.Helper()
	return &tab{browsertest.Open(t, browser, "http://"+addr+"/", width, height, "#enter")}
}

func (p *tab) enter(nick, room string) {
	p.Name = nick
	p.Do(chromedp.SetValue("#nick", nick), chromedp.SetValue("#room", room), chromedp.Click("#enter button"))
}

func (p *tab) says(text string) {
	p.Do(chromedp.SetValue("#text", text), chromedp.Click("#say button"))
}
