// Package docs holds the tests that keep the documentation true. There is
// nothing here to import.
package docs
