// Package layers holds the test that keeps imports running one way: from the
// bytes up to the application, never back. A new package must be placed in its
// table. There is nothing here to import.
package layers
