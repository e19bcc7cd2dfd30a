// Package linklab has servers for tests of links: processes of their own, that can
// be killed and stopped, that tell the other end numbers all the time, and say
// what they hear of their links and whether a number came twice, or late.
package linklab
