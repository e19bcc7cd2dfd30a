// Package endtoend holds the tests of clients and servers together, over an
// internet in memory. There is nothing here to import.
package endtoend
