// Package knock is how a dialler begins by UDP: it sends HELLOs until a COOKIE
// comes, opens the stream in which both ends do TLS, and makes a link of what it
// is told there. Clients do so, and servers that dial servers.
package knock
