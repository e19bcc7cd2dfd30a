package s2s

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// alpn is the protocol that TLS connections between servers name; subprotocol is
// that of WebSockets.
const (
	alpn        = "troupe-s2s/1"
	subprotocol = "troupe-s2s.v1"
)

var errNoTLS = errors.New("it needs Config.TLS, this server's certificate and who vouches for the others; DevelopmentTLS makes one to begin with")

func checkTLS(c *tls.Config) error {
	var faults []error
	if len(c.Certificates) == 0 && c.GetCertificate == nil {
		faults = append(faults, errors.New("s2s: TLS has no certificate"))
	}
	if c.RootCAs == nil {
		faults = append(faults, errors.New("s2s: TLS.RootCAs is nil: nobody says who vouches for other servers"))
	}
	if c.InsecureSkipVerify {
		faults = append(faults, errors.New("s2s: TLS.InsecureSkipVerify lets everybody take any server's name"))
	}
	return errors.Join(faults...)
}

// acceptorTLS is for listeners.
func (c *Config) acceptorTLS() *tls.Config {
	if c.TLS == nil {
		return nil
	}
	t := c.TLS.Clone()
	if t.ClientCAs == nil {
		t.ClientCAs = t.RootCAs
	}
	t.ClientAuth = tls.RequireAndVerifyClientCert
	t.SessionTicketsDisabled = true // a resumed session's certificate would be of yesterday
	t.VerifyConnection = func(state tls.ConnectionState) error { return bothRoles(state.PeerCertificates[0]) }
	return t
}

// diallerTLS is for dialling a server by its name.
func (c *Config) diallerTLS(name, protocol string) *tls.Config {
	t := c.TLS.Clone()
	t.MinVersion = tls.VersionTLS13
	t.NextProtos = []string{protocol}
	t.ServerName = name
	t.ClientSessionCache = nil
	t.DynamicRecordSizingDisabled = true // one record for each write
	if get := t.GetCertificate; get != nil && t.GetClientCertificate == nil {
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return get(&tls.ClientHelloInfo{ServerName: c.Name})
		}
	}
	t.VerifyConnection = func(state tls.ConnectionState) error {
		cert := state.PeerCertificates[0]
		if err := named(cert, name); err != nil {
			return err
		}
		return bothRoles(cert)
	}
	return t
}

// certificateError is what is wrong with the other end's certificate besides what
// crypto/tls finds.
type certificateError string

func (e certificateError) Error() string { return string(e) }

// named checks that a certificate has a server's name, and not just a pattern
// that others match too.
func named(cert *x509.Certificate, name string) error {
	if slices.Contains(cert.DNSNames, name) {
		return nil
	}
	return certificateError(fmt.Sprintf("the certificate is for %s, not for %s", strings.Join(cert.DNSNames, ", "), name))
}

// bothRoles checks that a certificate is good for either end, whichever dials:
// else it would depend on that whether two servers find each other.
func bothRoles(cert *x509.Certificate) error {
	for _, role := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if !slices.Contains(cert.ExtKeyUsage, role) && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return certificateError("the certificate is not for both serverAuth and clientAuth")
		}
	}
	return nil
}
