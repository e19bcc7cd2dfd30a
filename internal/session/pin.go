package session

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
)

// ALPN is the protocol that TLS connections name: version 1 of Troupe.
const ALPN = "troupe/1"

// Pin is what a client pins a server's key by: "sha256/" and the base64 form of
// the SHA-256 of the certificate's public key (SPKI).
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}
